import { DatabaseRefusal } from "./database-refusal.js";

/** Errors of the server by number, of the driver and Node.js by code, and what an operator checks when one keeps us waiting. */
type FailureReason = readonly [errors: readonly (number | string)[], reason: string];

/** A failure that ends when the database comes back. */
const PASSING: readonly FailureReason[] = [
  [
    ["ECONNREFUSED"],
    "nothing listens where DATABASE_URL leads: check that MariaDB runs, and the host and the port in DATABASE_URL",
  ],
  [
    ["ENOTFOUND", "EAI_AGAIN"],
    "the host in DATABASE_URL has no address: check its name, and the name server of this machine",
  ],
  [
    ["EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "EACCES", "EPERM"],
    "no route leads to the host in DATABASE_URL: check the network of this machine and its firewall",
  ],
  [
    ["ETIMEDOUT", "ER_CONNECTION_TIMEOUT", "ER_SOCKET_TIMEOUT", "ER_GET_CONNECTION_TIMEOUT", "TimeoutError"],
    "the database does not answer in time: check its load, and the network between here and the host in DATABASE_URL",
  ],
  [
    ["ECONNRESET", "EPIPE", "ER_SOCKET_UNEXPECTED_CLOSE", "ER_CMD_CONNECTION_CLOSED", "ER_CONNECTION_ALREADY_CLOSED"],
    "the connection to the database breaks: check that MariaDB stays up, and what is in between",
  ],
  [
    [1040, 1203, 1226],
    "the database has no connection left: raise max_connections, and max_user_connections of the account",
  ],
  [
    [1036, 1290, 1792, 1836],
    "the database takes no writes: check read_only, innodb_read_only and innodb_force_recovery, and that DATABASE_URL leads to the primary",
  ],
  [[1047, 1180], "this node of the cluster takes no statements: check that it has joined, and that a majority is up"],
  [[1053, 1077, 1079], "the database shuts down"],
  [[1021, 1114], "the disk of the database is full, or a limit on its tables is reached"],
  [
    [1205, 1213, 1969, 3024],
    "statements of ours wait too long in the database: look for a lock, a backup or a long transaction there",
  ],
];

/** A failure that ends when somebody has mended something. */
const LASTING: readonly FailureReason[] = [
  [
    [1045, 1698],
    "the database refuses the account: check user and password in DATABASE_URL, and whether the account demands TLS (?ssl=true)",
  ],
  [[4150, 4151], "the database has locked the account in DATABASE_URL: unlock it, or use another one"],
  [[1820, 1862], "the password of the account in DATABASE_URL has expired: set a new one"],
  [[1130], "the database takes no connection of this account from this machine: check the account's host"],
  [[1129], "the database has blocked this machine after too many broken connections: run FLUSH HOSTS there"],
  [
    [1044],
    "the account may not use the database that DATABASE_URL names: check that it exists, and grant the account its privileges",
  ],
  [[1049, 1102], "the database that DATABASE_URL names does not exist: check its name, or create it"],
  [
    [1142, 1143, 1227, 1370],
    "the account in DATABASE_URL lacks a privilege: grant SELECT, INSERT, UPDATE and DELETE, and to migrate CREATE, ALTER, DROP and INDEX",
  ],
  [[1184], "the server's init_connect fails for the account in DATABASE_URL"],
  [[1146], "a table of the schema is missing: check the database that DATABASE_URL names, and run `npm run migrate`"],
  [[1461], "the database keeps no more prepared statements: raise max_prepared_stmt_count"],
  [[1665], "the binary log takes no row changes: set binlog_format to MIXED or ROW"],
  [
    ["ER_SERVER_SSL_DISABLED"],
    "the database offers no TLS, which ?ssl=true in DATABASE_URL demands: set ssl_cert and ssl_key there",
  ],
  [
    ["ERR_TLS_CERT_ALTNAME_INVALID"],
    "the database's certificate is for another host: DATABASE_URL must name a host that is in it",
  ],
  [
    ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"],
    "the database's certificate is not valid today: check its dates, and the clock of this machine",
  ],
  [
    [
      ...["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
      ...["UNABLE_TO_GET_ISSUER_CERT", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "CERT_SIGNATURE_FAILURE", "INVALID_CA"],
      ...["CERT_UNTRUSTED", "CERT_REJECTED", "INVALID_PURPOSE", "CERT_CHAIN_TOO_LONG", "PATH_LENGTH_EXCEEDED"],
    ],
    "nobody whom we trust vouches for the database's certificate: DATABASE_TLS_CA_FILE must hold the CA that signed it",
  ],
  [
    [
      ...["ER_AUTHENTICATION_PLUGIN_NOT_SUPPORTED", "ER_NOT_SUPPORTED_AUTH_PLUGIN", "ER_CANNOT_RETRIEVE_RSA_KEY"],
      ...["ER_CLEAR_PASSWORD_WITHOUT_SSL", "ER_AUTHENTICATION_BAD_PACKET"],
    ],
    "the account's authentication plugin cannot be used over this connection: use mysql_native_password or ed25519, or ?ssl=true",
  ],
];

export const DATABASE_REASONS: readonly FailureReason[] = [...PASSING, ...LASTING];

const REASON_OF = new Map(DATABASE_REASONS.flatMap((reason) => reason[0].map((error) => [error, reason] as const)));
const TLS_CODES = /^(EPROTO$|ERR_SSL_|ERR_TLS_|ERR_OSSL_)/;
const TLS_FAILED = "the TLS handshake with the database fails: check its TLS versions, and that MariaDB listens there";
const UNKNOWN = "the database cannot be used; the log has the error";

/** A sentence for the operator: why the database cannot be used, and what to check. It repeats nothing of the error. */
export function failureReason(error: unknown): string {
  for (const link of causesOf(error)) {
    if (link instanceof DatabaseRefusal) return link.message;
    const known = knownReason(link);
    if (known !== undefined) return known[1];
    if (TLS_CODES.test(String(Reflect.get(link, "code")))) return TLS_FAILED;
  }
  return UNKNOWN;
}

/** Whether trying again helps only once somebody has mended something: tried too often, it fills the server's log. */
export function isLasting(error: unknown): boolean {
  const causes = causesOf(error);
  if (causes.some((link) => link instanceof DatabaseRefusal)) return true;
  const known = causes.map(knownReason).find((reason) => reason !== undefined);
  return known !== undefined && LASTING.includes(known);
}

function knownReason(error: object): FailureReason | undefined {
  const names = ["code", "errno", "name"].map((key) => Reflect.get(error, key));
  return names.map((name) => REASON_OF.get(name)).find((reason) => reason !== undefined);
}

/** The error and what it stands for: ours keep a `cause`, and Sequelize's the driver's error as `parent`. */
function causesOf(error: unknown): object[] {
  const causes: object[] = [];
  let link = error;
  while (typeof link === "object" && link !== null && !causes.includes(link)) {
    causes.push(link);
    link = Reflect.get(link, "parent") ?? Reflect.get(link, "cause");
  }
  return causes;
}
