/** A session variable and the value that our statements rely on. */
export type SessionPin = readonly [name: string, value: number | bigint | string];

const NO_LIMIT = 18_446_744_073_709_551_615n;

/**
 * Every server setting with session scope that would change what our statements mean, or end them. Not pinned: what only
 * chooses a plan or a size in memory (`optimizer_switch`, `tmp_table_size`), which is the operator's to set; what needs an
 * administrator's privilege (`binlog_format`, `enforce_storage_engine`), which `server-check.ts` looks at; and
 * `auto_increment_increment`, which Galera sets and which no statement relies on.
 */
const ALL_SESSIONS: readonly SessionPin[] = [
  // Instants are DATETIMEs in UTC.
  ["time_zone", "+00:00"],
  // A value that does not fit is an error, in every table. Quotes and backslashes mean the same to the server and the driver.
  // A stored day that its month lacks is sorted and compared as it stands, never as a zero date.
  ["sql_mode", "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,ALLOW_INVALID_DATES"],
  ["old_mode", ""],
  // A statement outside a transaction commits, and COMMIT neither begins another transaction nor ends the connection.
  ["autocommit", 1],
  ["completion_type", "NO_CHAIN"],
  // Statements find, change and return all rows that they name.
  ["sql_safe_updates", 0],
  ["sql_select_limit", NO_LIMIT],
  ["max_join_size", NO_LIMIT],
  ["sql_big_selects", 1],
  ["sql_auto_is_null", 0],
  // Deleting a task deletes its labels; names are unique.
  ["foreign_key_checks", 1],
  ["unique_checks", 1],
  ["check_constraint_checks", 1],
  // Lists are sorted by whole names: 255 characters of four bytes. A sort that has no room for fifteen of them fails.
  ["max_sort_length", 1024],
  ["sort_buffer_size", 2 * 1024 * 1024],
  // No answer is older than the last commit.
  ["query_cache_type", "OFF"],
  ["wsrep_dirty_reads", 0],
  // `CHARACTER SET utf8mb4` without a collation means what it means on every other server.
  ["character_set_collations", ""],
  // A writer that waits for a row gives up, and its group runs again.
  ["innodb_lock_wait_timeout", 5],
  // An ALTER TABLE waits this long for statements that use its table, and other statements wait behind it. A pooled
  // connection's `max_statement_time` ends its waits sooner.
  ["lock_wait_timeout", 30],
  // A process that freezes inside a transaction must not keep the counter's lock, which all writers share.
  ["idle_transaction_timeout", 3],
  ["idle_readonly_transaction_timeout", 0],
  ["idle_write_transaction_timeout", 0],
  // A process that stops reading in the middle of an answer must not keep its locks either.
  ["net_write_timeout", 4],
  ["net_read_timeout", 30],
  // Longer than the pool keeps an idle connection. The server drops the connections of a machine that vanished.
  ["wait_timeout", 600],
];

/** The server ends a statement before the pool gives its connection up, so that none goes on whose caller was told that it failed. */
const STATEMENT_SECONDS = 6;

/** Connections of the pool. */
export const POOL_PINS: readonly SessionPin[] = [...ALL_SESSIONS, ["max_statement_time", STATEMENT_SECONDS]];

/** The connection that changes the schema, which may take hours for a large table. */
export const MIGRATION_PINS: readonly SessionPin[] = [
  ...ALL_SESSIONS,
  ["max_statement_time", 0],
  ["default_storage_engine", "InnoDB"],
  // A table that does not fit its row format is an error when it is made, not when a row is written.
  ["innodb_strict_mode", 1],
  // Each ALTER TABLE takes the way that it can take.
  ["alter_algorithm", "DEFAULT"],
  // CREATE TABLE fails where the table exists.
  ["sql_if_exists", 0],
  // Galera: every node changes its schema.
  ["wsrep_osu_method", "TOI"],
];

/** Each that is pinned anywhere: a migration pins what the pool does, and more. */
export const PINNED_NAMES: readonly string[] = MIGRATION_PINS.map(([name]) => name);
