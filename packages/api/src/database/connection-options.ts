import type { ConnectionConfig } from "mariadb";
import { instantTypeCast } from "./instants.js";
import { PACKET_BYTES } from "./statement-size.js";

const CONNECT_TIMEOUT_MS = 4_000;

/** What every connection of ours is made with: no setting of the server's or of its databases matters. */
export function connectionOptions(url: string) {
  const { hostname, port, username, password, pathname } = new URL(url);
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? 3306 : Number(port),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: decodeURIComponent(pathname.slice(1)),
    timezone: "Z",
    // Bulk statements are split by it; by default a quarter of the memory, which the server would not take.
    maxAllowedPacket: PACKET_BYTES,
    connectTimeout: CONNECT_TIMEOUT_MS,
    typeCast: instantTypeCast,
    bigIntAsNumber: true,
    insertIdAsNumber: true,
    checkNumberRange: true,
    // What users wrote has no place in an error or a log.
    logParam: false,
    collation: "utf8mb4_nopad_bin",
    // Not among the session variables: Sequelize's and the driver's own set-up come after those.
    initSql: "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    sessionVariables: {
      time_zone: "+00:00",
      // A day that its month lacks, which somebody stored, is sorted and compared as it stands: never as a zero date.
      sql_mode: "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,ALLOW_INVALID_DATES",
      innodb_lock_wait_timeout: 5,
      // A process that freezes inside a transaction must not hold the counter's lock, which all writers share.
      idle_transaction_timeout: 3,
      // Nor while it does not take a page that it has asked for.
      net_write_timeout: 4,
    },
  } satisfies ConnectionConfig;
}
