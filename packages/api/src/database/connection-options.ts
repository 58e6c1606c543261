import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext, type PeerCertificate, rootCertificates } from "node:tls";
import type { ConnectionConfig } from "mariadb";
import type { DatabaseAddress, DatabaseTls } from "./database-address.js";
import { instantTypeCast } from "./instants.js";
import { PACKET_BYTES } from "./statement-size.js";

const CONNECT_TIMEOUT_MS = 4_000;

/** The driver's own types leave this option out. */
type DriverOptions = ConnectionConfig & { readonly permitRedirect: boolean };

/** How the driver makes each of our connections, and how it reads answers. Settings of the session are in `session-pins.ts`. */
export function connectionOptions({ host, port, user, password, database, tls }: DatabaseAddress): DriverOptions {
  return {
    host,
    port,
    user,
    password,
    database,
    ...(tls === undefined ? {} : { ssl: tlsOptions(host, tls) }),
    // A server may name another server to go to. `DATABASE_URL` alone says where the database is.
    permitRedirect: false,
    // The pins set the time zone and the collation of the session. The driver would spend a statement on each.
    timezone: "local",
    collation: "utf8mb4_bin",
    // The driver splits bulk statements by this. Its default, a quarter of the memory, is more than servers take.
    maxAllowedPacket: PACKET_BYTES,
    connectTimeout: CONNECT_TIMEOUT_MS,
    typeCast: instantTypeCast,
    bigIntAsNumber: true,
    insertIdAsNumber: true,
    checkNumberRange: true,
    supportBigNumbers: true,
    // `affectedRows` counts the rows that a statement changed, not those that it found.
    foundRows: false,
    // What users wrote has no place in an error or a log.
    logParam: false,
  };
}

/**
 * TLS by Node.js's own rules: the chain and the host's name are verified before the account's name is sent.
 *
 * The driver has rules of its own where it is given no `ca`: a server of 11.4 or newer may present any certificate that it
 * signed itself. The driver also verifies the name only after it has logged in, and an IP address not at all. So `ca` is
 * always set, and `secureContext` says what counts.
 */
function tlsOptions(host: string, { ca }: DatabaseTls) {
  return {
    ca: ca ?? [...rootCertificates],
    // Without a CA of its own it also trusts what NODE_EXTRA_CA_CERTS names.
    secureContext: createSecureContext(ca === undefined ? {} : { ca }),
    rejectUnauthorized: true,
    checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),
    // RFC 6066: an IP address is no server name.
    ...(isIP(host) === 0 ? { servername: host } : {}),
  };
}
