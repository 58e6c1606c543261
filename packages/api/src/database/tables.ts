import type { SqlConnection } from "./database.js";

/** Every table that the API reads or writes while it serves calls, with one of the table's columns. */
export const TABLES: Readonly<Record<string, string>> = {
  tasks: "id",
  task_labels: "name",
  executions: "task_id",
  retries: "task_id",
  execution_stats: "count",
  schedulers: "incarnation",
  changes: "revision",
  change_counter: "id",
  change_flushes: "id",
  requests: "request_id",
};

/** Reads nothing. Rejects with the server's error when a table is missing, or may not be read. */
export async function checkTables(connection: SqlConnection): Promise<void> {
  await connection.query(`SELECT 1 FROM ${Object.keys(TABLES).join(", ")} LIMIT 0`);
}
