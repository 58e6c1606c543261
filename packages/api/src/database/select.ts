import type { QueryOptions } from "mariadb";
import type { RowShape } from "./columns.js";
import type { SqlConnection } from "./database.js";
import { isSortAborted } from "./database-error.js";
import { fromDatetime } from "./instants.js";
import { raw, type Sql, sql } from "./sql.js";

export async function select<R>(connection: SqlConnection, { text, values }: Sql): Promise<R[]> {
  return connection.query(text, values);
}

/** Without the driver's casts, which take 2 µs of each row, as much as all else that is done to read it. */
export const uncast = (sql: string) => ({ sql, typeCast: undefined, dateStrings: true }) as unknown as QueryOptions;

/** Reads whole rows of a table. */
export async function selectRows<R>(
  connection: SqlConnection,
  { instants }: RowShape,
  { text, values }: Sql,
): Promise<R[]> {
  const rows: Record<string, unknown>[] = await connection.query(uncast(text), values);
  for (const row of rows) {
    for (const name of instants) {
      const value = row[name];
      if (typeof value === "string") row[name] = fromDatetime(value);
    }
  }
  return rows as R[];
}

/**
 * Reads whole rows while looking at no more than so many rows, of tables, joins and sorting alike.
 *
 * @returns undefined when that was not enough
 */
export async function selectWithin<R>(
  connection: SqlConnection,
  shape: RowShape,
  statement: Sql,
  rowsExamined: number,
): Promise<R[] | undefined> {
  const bounded = sql`${statement} LIMIT ROWS EXAMINED ${raw(String(rowsExamined))}`;
  const rows = await selectRows<R>(connection, shape, bounded).catch((error: unknown) => {
    if (isSortAborted(error)) return undefined;
    throw error;
  });
  if (rows === undefined) return undefined;
  // Rows that were not looked at are lacking without an error.
  const [outcome] = await select<{ warnings: number }>(connection, sql`SELECT @@warning_count AS warnings`);
  return outcome?.warnings === 0 ? rows : undefined;
}
