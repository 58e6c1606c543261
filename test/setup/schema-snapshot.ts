import type { Connection } from "mariadb";

/** A database as text: every object's definition and every table's rows. */
export type SchemaSnapshot = Readonly<Record<string, unknown>>;

const TRIGGERS = `SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_STATEMENT FROM information_schema.TRIGGERS
  WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY TRIGGER_NAME`;

/** Reads the whole database of the session: two snapshots are equal when not a byte has changed. */
export async function takeSnapshot(connection: Connection): Promise<SchemaSnapshot> {
  const objects: string[][] = await connection.query({ sql: "SHOW FULL TABLES", rowsAsArray: true });
  const snapshot: Record<string, unknown> = { triggers: await connection.query(TRIGGERS) };
  for (const [name = "", type = ""] of objects) {
    const [definition]: unknown[] = await connection.query(`SHOW CREATE TABLE \`${name}\``);
    const rows = type === "SEQUENCE" ? [] : await connection.query(`SELECT * FROM \`${name}\``);
    snapshot[`${type} ${name}`] = { definition, rows: [...rows] };
  }
  return snapshot;
}
