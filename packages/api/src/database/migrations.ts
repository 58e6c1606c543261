import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Umzug } from "umzug";
import type { Connect } from "./connector.js";
import type { SqlConnection } from "./database.js";
import { MIGRATION_PINS } from "./session-pins.js";

/** Named locks are the server's, not the database's: the name carries the database. */
const LOCK_WAIT_SECONDS = 60;
/** So soon is noticed that the process is to stop. */
const LOCK_TRY_SECONDS = 1;
const KEEP_ALIVE_MS = 10_000;

/**
 * Brings the database to the newest schema (`up`) or undoes the last step (`down`). Safe when several run at once: a
 * named lock on one connection is held throughout. Throws when the lock is not had within a minute, and when the signal
 * aborts before it is had; steps that have begun are taken to their end.
 *
 * @returns the names of the steps taken
 */
export async function migrate(
  connect: Connect,
  folder: string,
  direction: "up" | "down",
  signal?: AbortSignal,
): Promise<string[]> {
  // A connection of its own: a change of a large table may be silent for longer than other statements are given. A host
  // that vanishes meanwhile is noticed by the probes of TCP.
  const connection = await connect(MIGRATION_PINS, { keepAliveDelay: KEEP_ALIVE_MS });
  try {
    await lock(connection, signal);
    const umzug = await createUmzug(connection, folder);
    const steps = direction === "up" ? await umzug.up() : await umzug.down();
    return steps.map((step) => step.name);
  } finally {
    // The lock goes with the connection.
    await connection.end().catch(() => connection.destroy());
  }
}

/** Whether a step has not been taken yet. Reads alone: the account may have no right to change the schema. */
export async function hasPending(connect: Connect, folder: string): Promise<boolean> {
  const connection = await connect(MIGRATION_PINS, { keepAliveDelay: KEEP_ALIVE_MS });
  try {
    const taken = new Set(await takenSteps(connection));
    return (await stepNames(folder)).some((name) => !taken.has(name));
  } finally {
    await connection.end().catch(() => connection.destroy());
  }
}

/** None where there is no table of them yet. */
async function takenSteps(connection: SqlConnection): Promise<string[]> {
  const tables: unknown[] = await connection.query("SHOW TABLES LIKE 'schema\\_migrations'");
  if (tables.length === 0) return [];
  const rows: { name: string }[] = await connection.query("SELECT name FROM schema_migrations ORDER BY name");
  return rows.map((row) => row.name);
}

async function stepNames(folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".up.sql"));
  return files.map((file) => file.slice(0, -".up.sql".length)).sort();
}

async function lock(connection: SqlConnection, signal: AbortSignal | undefined): Promise<void> {
  const sql = "SELECT GET_LOCK(CONCAT('taskscheduler.migrate.', DATABASE()), ?) AS granted";
  for (let waited = 0; waited < LOCK_WAIT_SECONDS; waited += LOCK_TRY_SECONDS) {
    signal?.throwIfAborted();
    const rows: { granted: number | null }[] = await connection.query(sql, [LOCK_TRY_SECONDS]);
    if (rows[0]?.granted === 1) return;
  }
  throw new Error("another migration has been running for a minute");
}

async function createUmzug(connection: SqlConnection, folder: string): Promise<Umzug<SqlConnection>> {
  await connection.query(
    "CREATE TABLE IF NOT EXISTS schema_migrations (name VARCHAR(255) PRIMARY KEY) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin",
  );
  const names = await stepNames(folder);
  return new Umzug<SqlConnection>({
    context: connection,
    logger: undefined,
    migrations: names.map((name) => ({
      name,
      up: () => runScript(connection, join(folder, `${name}.up.sql`)),
      down: () => runScript(connection, join(folder, `${name}.down.sql`)),
    })),
    storage: {
      logMigration: async ({ name }) =>
        void (await connection.query("INSERT INTO schema_migrations VALUES (?)", [name])),
      unlogMigration: async ({ name }) =>
        void (await connection.query("DELETE FROM schema_migrations WHERE name = ?", [name])),
      executed: () => takenSteps(connection),
    },
  });
}

/** Statements end with a semicolon at a line's end; no literal of ours does. */
async function runScript(connection: SqlConnection, file: string): Promise<void> {
  const script = (await readFile(file, "utf8")).replace(/^\s*--.*$/gm, "");
  for (const statement of script.split(/;\s*(?:\n|$)/)) {
    if (statement.trim() !== "") await connection.query(statement);
  }
}
