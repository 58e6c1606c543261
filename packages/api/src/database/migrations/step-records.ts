import type { SqlConnection } from "../database.js";
import type { FoundObjects } from "./found-objects.js";
import { execute } from "./migration-session.js";

/** A row of `schema_migrations`: a step of ours that was begun, and perhaps finished. */
export interface StepRecord {
  readonly name: string;
  readonly isDone: boolean;
  readonly isCompatible: boolean;
}

export interface StepRecords {
  /**
   * `names`: an earlier release made the table, with the names of finished steps alone. `foreign`: the table, or what
   * bears its name, is another tool's.
   */
  readonly shape: "absent" | "names" | "current" | "foreign";
  readonly steps: readonly StepRecord[];
}

/** The row of the migration lock. It is there while a migrator works, and after one was killed. */
export const LOCK_ROW = "lock";

const COLUMNS = ["name", "state", "compatible", "holder", "beat"];

/** Reads what is recorded. Changes nothing: the account may have no right to. */
export async function readRecords(connection: SqlConnection, found: FoundObjects): Promise<StepRecords> {
  const type = found.typeOf("schema_migrations");
  if (type === undefined) return { shape: "absent", steps: [] };
  const shape = type === "table" ? await readShape(connection) : "foreign";
  if (shape === "foreign") return { shape, steps: [] };
  const columns =
    shape === "current"
      ? "name, state = 'DONE' AS done, compatible <> 0 AS compatible"
      : "name, 1 AS done, 0 AS compatible";
  const rows: { name: string; done: number; compatible: number }[] = await connection.query(
    `SELECT ${columns} FROM schema_migrations WHERE name <> ? ORDER BY name`,
    [LOCK_ROW],
  );
  return {
    shape,
    steps: rows.map(({ name, done, compatible }) => ({ name, isDone: done === 1, isCompatible: compatible === 1 })),
  };
}

/** A later release may have added columns. */
async function readShape(connection: SqlConnection): Promise<"names" | "current" | "foreign"> {
  const columns: { name: string; type: string; collation: string | null; key: string }[] = await connection.query(
    `SELECT LOWER(COLUMN_NAME) AS name, COLUMN_TYPE AS type, COLLATION_NAME AS collation, COLUMN_KEY AS \`key\`
       FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'schema_migrations'`,
  );
  if (COLUMNS.every((name) => columns.some((column) => column.name === name))) return "current";
  const [first, ...others] = columns;
  const isOurs = first?.name === "name" && first.type === "varchar(255)" && first.collation === "ascii_bin";
  return isOurs && first.key === "PRI" && others.length === 0 ? "names" : "foreign";
}

/** Makes `schema_migrations`, or adds what an earlier release's lacks. */
export async function prepareRecords(connection: SqlConnection): Promise<void> {
  await execute(
    connection,
    `CREATE TABLE IF NOT EXISTS schema_migrations (name VARCHAR(255) PRIMARY KEY)
       ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=ascii COLLATE=ascii_bin`,
  );
  await execute(
    connection,
    `ALTER TABLE schema_migrations
       ADD COLUMN IF NOT EXISTS state ENUM('BEGUN','DONE') NOT NULL DEFAULT 'DONE',
       ADD COLUMN IF NOT EXISTS compatible BOOLEAN NOT NULL DEFAULT FALSE,
       ADD COLUMN IF NOT EXISTS holder VARCHAR(255) NOT NULL DEFAULT '',
       ADD COLUMN IF NOT EXISTS beat INT UNSIGNED NOT NULL DEFAULT 0,
       ALGORITHM=DEFAULT`,
  );
}

/** Called before the first statement of a step, up or down: whatever bears the step's names is ours from now on. */
export async function recordBegun(connection: SqlConnection, name: string): Promise<void> {
  await execute(
    connection,
    "INSERT INTO schema_migrations (name, state) VALUES (?, 'BEGUN') ON DUPLICATE KEY UPDATE state = 'BEGUN'",
    [name],
  );
}

export async function recordDone(connection: SqlConnection, name: string, isCompatible: boolean): Promise<void> {
  await execute(connection, "UPDATE schema_migrations SET state = 'DONE', compatible = ? WHERE name = ?", [
    isCompatible,
    name,
  ]);
}

/** Called after the last statement down. */
export async function removeRecord(connection: SqlConnection, name: string): Promise<void> {
  await execute(connection, "DELETE FROM schema_migrations WHERE name = ?", [name]);
}
