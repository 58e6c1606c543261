import type { Connect } from "./connector.js";
import { POOL_SIZE, type SqlConnection } from "./database.js";
import { DatabaseRefusal } from "./database-refusal.js";
import { requireSchemaPrivileges } from "./privileges.js";
import { MIGRATION_PINS } from "./session-pins.js";
import { PACKET_BYTES } from "./statement-size.js";

/** The pool's connections and the one that migrates. */
const CONNECTIONS = POOL_SIZE + 1;
/** Smaller pages hold no index over a name of 255 characters. */
const MIN_PAGE_BYTES = 8_192;

/** Server settings that no session can change, by their names. A server that lacks one leaves it out. */
type Settings = ReadonlyMap<string, string>;

interface SettingRule {
  readonly settings: readonly string[];
  readonly isWrong: (settings: Settings) => boolean;
  /** Says the consequence and the setting that would be right. */
  readonly message: string;
}

/** We cannot work with these. */
const FATAL: readonly SettingRule[] = [
  {
    settings: ["innodb_read_only"],
    isWrong: (settings) => settings.get("innodb_read_only") === "ON",
    message: "the database's innodb_read_only is set, and it takes no writes: DATABASE_URL must lead to the primary",
  },
  {
    settings: ["log_bin", "binlog_format"],
    isWrong: (settings) => settings.get("log_bin") === "ON" && settings.get("binlog_format") === "STATEMENT",
    message: "the database's binlog_format is STATEMENT, and no write would succeed: set it to MIXED or ROW",
  },
  {
    settings: ["max_prepared_stmt_count"],
    isWrong: (settings) => numberOf(settings, "max_prepared_stmt_count") < CONNECTIONS,
    message: `the database's max_prepared_stmt_count is less than ${CONNECTIONS}, and no task could be changed: raise it`,
  },
];

/** We cannot make our tables with these; those that are there may be used. */
const FATAL_TO_MIGRATIONS: readonly SettingRule[] = [
  {
    settings: ["enforce_storage_engine"],
    isWrong: (settings) => !["", "innodb"].includes((settings.get("enforce_storage_engine") ?? "").toLowerCase()),
    message: "the database's enforce_storage_engine forbids InnoDB, which our tables need: unset it",
  },
  {
    settings: ["innodb_page_size"],
    isWrong: (settings) => numberOf(settings, "innodb_page_size") < MIN_PAGE_BYTES,
    message: `the database's innodb_page_size is less than ${MIN_PAGE_BYTES}, too small for our indexes: use another server`,
  },
];

/** We work with these, and promise less. */
const WARNINGS: readonly SettingRule[] = [
  {
    settings: ["innodb_flush_log_at_trx_commit"],
    isWrong: (settings) => numberOf(settings, "innodb_flush_log_at_trx_commit", 1) !== 1,
    message: "innodb_flush_log_at_trx_commit is not 1: a crash of the database may lose acknowledged writes",
  },
  {
    settings: ["max_allowed_packet"],
    isWrong: (settings) => numberOf(settings, "max_allowed_packet") < PACKET_BYTES,
    message: "max_allowed_packet is less than 16 MiB: large requests will fail with UNAVAILABLE",
  },
  {
    settings: ["max_connections", "max_user_connections"],
    isWrong: (settings) =>
      numberOf(settings, "max_connections") < CONNECTIONS || isTooFew(numberOf(settings, "max_user_connections", 0)),
    message: `max_connections or max_user_connections is less than the ${CONNECTIONS} connections that one API opens: calls will fail with UNAVAILABLE under load`,
  },
  {
    settings: ["read_only"],
    isWrong: (settings) => (settings.get("read_only") ?? "OFF") !== "OFF",
    message: "read_only is set, and the account may write all the same: make sure that this is no replica",
  },
  {
    settings: ["innodb_force_recovery"],
    isWrong: (settings) => numberOf(settings, "innodb_force_recovery", 0) > 0,
    message: "innodb_force_recovery is set: the database is being repaired, and may take no writes",
  },
];

/**
 * Looks at what the session's pins cannot set right, before anything is changed.
 *
 * @param migrates steps are about to be taken
 * @returns warnings, a sentence each
 * @throws DatabaseRefusal that names the setting or the privilege
 */
export async function checkServer(connect: Connect, { migrates }: { migrates: boolean }): Promise<readonly string[]> {
  const connection = await connect(MIGRATION_PINS, {});
  try {
    const settings = await readSettings(connection);
    const fatal = [...FATAL, ...(migrates ? FATAL_TO_MIGRATIONS : [])].find((rule) => rule.isWrong(settings));
    if (fatal !== undefined) throw new DatabaseRefusal(fatal.message);
    if (migrates) await requireSchemaPrivileges(connection);
    return WARNINGS.filter((rule) => rule.isWrong(settings)).map((rule) => rule.message);
  } finally {
    await connection.end().catch(() => undefined);
  }
}

/** As this session has them: a limit of the account goes before the server's. */
async function readSettings(connection: SqlConnection): Promise<Settings> {
  const names = [...FATAL, ...FATAL_TO_MIGRATIONS, ...WARNINGS].flatMap(({ settings }) => settings);
  const rows: { Variable_name: string; Value: string }[] = await connection.query(
    "SHOW SESSION VARIABLES WHERE Variable_name IN (?)",
    [names],
  );
  return new Map(rows.map((row) => [row.Variable_name.toLowerCase(), row.Value]));
}

function numberOf(settings: Settings, name: string, standard = Number.POSITIVE_INFINITY): number {
  const text = settings.get(name);
  return text === undefined ? standard : Number(text);
}

/** 0 is no limit. */
function isTooFew(userConnections: number): boolean {
  return userConnections > 0 && userConnections < CONNECTIONS;
}
