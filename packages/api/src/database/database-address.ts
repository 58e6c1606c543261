import { isIPv4, isIPv6 } from "node:net";
import { domainToASCII } from "node:url";

/** Where the database is, and by which account this process uses it. It holds a password: never log it. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Empty: the account has none. */
  readonly password: string;
  readonly database: string;
  /** Undefined: plain text. */
  readonly tls: DatabaseTls | undefined;
}

export interface DatabaseTls {
  /** Certificates in PEM that vouch for the server; undefined: those that Node.js trusts. */
  readonly ca: string | undefined;
}

export interface ParsedDatabaseUrl {
  /** Means something only where there is no fault. */
  readonly address: DatabaseAddress;
  /** One for each part that is wrong. A fault repeats nothing of the URL, which may hold a password. */
  readonly faults: readonly string[];
}

const FORM = "must be mariadb://user:password@host:port/database, with special characters in percent-encoding";
/** The last @ before the host ends the account, as in every URL. */
const PARTS =
  /^mariadb:\/\/(?:(?<account>[^/?#]*)@)?(?<server>[^/?#]*)(?:\/(?<database>[^?#]*))?(?:\?(?<query>[^#]*))?(?<fragment>#.*)?$/iu;
const SERVER = /^(?<host>\[[^\]]*\]|[^:]*)(?::(?<port>.*))?$/u;
const DEFAULT_PORT = 3306;
/** MariaDB's limits. The server cuts a longer name off, and would take it for another account's. */
const MAX_USER = 128;
const MAX_DATABASE = 64;

/**
 * Reads `mariadb://user:password@host:port/database`, with `?ssl=true` for TLS. Each part is used or refused: the standard
 * URL parser takes several hosts for one name, drops line breaks, and leaves parameters to whoever looks at them.
 */
export function parseDatabaseUrl(text: string): ParsedDatabaseUrl {
  const faults: string[] = [];
  if (/[\s\p{Cc}]/u.test(text)) faults.push("must not contain white space or control characters");
  const parts = PARTS.exec(text)?.groups;
  const isAccountCut = parts?.["account"] === undefined && text.includes("@");
  if (parts === undefined || isAccountCut) return { address: NOWHERE, faults: [...faults, FORM] };

  const { account = "", server = "", database: path = "", query, fragment } = parts;
  const colon = account.includes(":") ? account.indexOf(":") : account.length;
  const user = decode(account.slice(0, colon), "user", faults);
  const password = decode(account.slice(colon + 1), "password", faults);
  const { host: rawHost = "", port: rawPort } = SERVER.exec(server)?.groups ?? {};
  const host = toHost(rawHost);
  const port = rawPort === undefined ? DEFAULT_PORT : toPort(rawPort);
  const database = decode(path, "database", faults);

  if (user === "" || user.length > MAX_USER) faults.push(`the user must have 1 to ${MAX_USER} characters`);
  if (host === undefined) faults.push(HOST_FORM);
  if (port === undefined) faults.push("the port must be a number from 1 to 65535");
  if (path.includes("/")) faults.push("the database must be one name; write / in it as %2F");
  if (database === "" || database.length > MAX_DATABASE)
    faults.push(`the database must have 1 to ${MAX_DATABASE} characters`);
  if (query !== undefined && query !== "ssl=true") faults.push("the only parameter is ssl=true, once");
  if (fragment !== undefined) faults.push("must not have a fragment; write # as %23");

  const tls = query === undefined ? undefined : { ca: undefined };
  return { address: { ...NOWHERE, host: host ?? "", port: port ?? 0, user, password, database, tls }, faults };
}

const NOWHERE: DatabaseAddress = { host: "", port: 0, user: "", password: "", database: "", tls: undefined };

function decode(text: string, part: string, faults: string[]): string {
  try {
    const decoded = decodeURIComponent(text);
    if (/\p{Cc}/u.test(decoded)) faults.push(`the ${part} must not contain control characters`);
    return decoded;
  } catch {
    faults.push(`the ${part} must be percent-encoded UTF-8; write % as %25`);
    // Not empty, which would be a second fault.
    return part;
  }
}

const HOST_FORM =
  "the host must be one host name or IP address, IPv6 in brackets; several hosts and a socket's path are not supported";
const HOST_NAME =
  /^(?=.{1,254}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?$/i;
/** Resolvers read such a name as an IPv4 address in an old spelling: `127.1`, `0x7f000001`. */
const NUMERIC_NAME = /(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$/i;

function toHost(text: string): string | undefined {
  if (text.startsWith("[")) {
    const address = text.slice(1, -1).replace("%25", "%");
    return isIPv6(address) ? address : undefined;
  }
  const name = /^\p{ASCII}*$/u.test(text) ? text : domainToASCII(text);
  if (NUMERIC_NAME.test(name) && !isIPv4(name)) return undefined;
  return HOST_NAME.test(name) ? name : undefined;
}

function toPort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}
