import type { SqlConnection } from "./database.js";
import { isSortAborted } from "./database-error.js";
import { raw, type Sql, sql } from "./sql.js";

export async function select<R>(connection: SqlConnection, { text, values }: Sql): Promise<R[]> {
  return connection.query(text, values);
}

/**
 * Reads while looking at no more than so many rows, of tables, joins and sorting alike.
 *
 * @returns undefined when that was not enough
 */
export async function selectWithin<R>(
  connection: SqlConnection,
  statement: Sql,
  rowsExamined: number,
): Promise<R[] | undefined> {
  const bounded = sql`${statement} LIMIT ROWS EXAMINED ${raw(String(rowsExamined))}`;
  const rows = await select<R>(connection, bounded).catch((error: unknown) => {
    if (isSortAborted(error)) return undefined;
    throw error;
  });
  if (rows === undefined) return undefined;
  // Rows that were not looked at are lacking without an error.
  const [outcome] = await select<{ warnings: number }>(connection, sql`SELECT @@warning_count AS warnings`);
  return outcome?.warnings === 0 ? rows : undefined;
}
