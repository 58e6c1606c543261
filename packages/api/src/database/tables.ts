import type { SqlConnection } from "./database.js";

/** Every table that the API reads or writes while it serves calls. */
const TABLES = [
  ...["tasks", "task_labels", "executions", "execution_stats", "retries", "schedulers"],
  ...["change_counter", "changes", "change_flushes", "requests"],
];

/** Reads nothing. Rejects with the server's error when a table is missing, or may not be read. */
export async function checkTables(connection: SqlConnection): Promise<void> {
  await connection.query(`SELECT 1 FROM ${TABLES.join(", ")} LIMIT 0`);
}
