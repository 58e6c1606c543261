import type { ReadRow } from "@taskscheduler/domain";
import type { QueryOptions } from "mariadb";
import type { RowShape } from "./columns.js";
import type { RowDamage, SqlConnection } from "./database.js";
import { isSortAborted } from "./database-error.js";
import { raw, type Sql, sql } from "./sql.js";

export async function select<R>(connection: SqlConnection, { text, values }: Sql): Promise<R[]> {
  return connection.query(text, values);
}

/** Without the driver's casts, which take 2 µs of each row, as much as all else that is done to read it. */
export const uncast = (sql: string) => ({ sql, typeCast: undefined, dateStrings: true }) as unknown as QueryOptions;

/** Reads whole rows of a table, without the rows that have no readable key. */
export async function selectRows<R extends object>(
  connection: SqlConnection,
  shape: RowShape,
  statement: Sql,
): Promise<(R & ReadRow)[]> {
  const rows = await selectAllRows<R>(connection, shape, statement);
  return rows.every(isWhole) ? rows : rows.filter((row) => hasKey(row, shape));
}

/** Reads whole rows, also those without a readable key, because a page has to go on after them. */
export async function selectAllRows<R extends object>(
  connection: SqlConnection,
  shape: RowShape,
  { text, values }: Sql,
): Promise<(R & ReadRow)[]> {
  const rows: Record<string, unknown>[] = await connection.query(uncast(text), values);
  for (const row of rows) readRow(connection, shape, row);
  return rows as (R & ReadRow)[];
}

/** In its place: a copy of each row costs as much as all else that is done to it. */
function readRow(connection: SqlConnection, shape: RowShape, row: Record<string, unknown>): void {
  let damaged: Map<string, unknown> | undefined;
  for (const { attribute, reader } of shape.columns) {
    const value = row[attribute];
    const read = reader.read(value);
    row[attribute] = read === undefined ? reader.instead(value) : read;
    if (read === undefined) damaged = new Map([...(damaged ?? []), [attribute, value]]);
  }
  if (damaged === undefined) return;
  row["damaged"] = [...damaged.keys()];
  connection.onDamage?.(damageOf(shape, row, damaged));
}

/** @param damaged the values that were found, by their attributes */
function damageOf(
  { table, key, columns }: RowShape,
  row: Readonly<Record<string, unknown>>,
  damaged: ReadonlyMap<string, unknown>,
): RowDamage {
  return {
    table,
    key: key.map((attribute) => String(damaged.has(attribute) ? damaged.get(attribute) : row[attribute])).join("."),
    columns: columns.filter(({ attribute }) => damaged.has(attribute)).map(({ field }) => field),
  };
}

function isWhole({ damaged }: ReadRow): boolean {
  return damaged === undefined;
}

/** Whether a row can be named, so that it can be shown at all. */
export function hasKey({ damaged }: ReadRow, { key }: RowShape): boolean {
  return damaged === undefined || !key.some((attribute) => damaged.includes(attribute));
}

/**
 * Reads whole rows while looking at no more than so many rows, of tables, joins and sorting alike.
 *
 * @returns undefined when that was not enough
 */
export async function selectWithin<R extends object>(
  connection: SqlConnection,
  shape: RowShape,
  statement: Sql,
  rowsExamined: number,
): Promise<R[] | undefined> {
  const bounded = sql`${statement} LIMIT ROWS EXAMINED ${raw(String(rowsExamined))}`;
  const rows = await selectAllRows<R>(connection, shape, bounded).catch((error: unknown) => {
    if (isSortAborted(error)) return undefined;
    throw error;
  });
  if (rows === undefined) return undefined;
  // Rows that were not looked at are lacking without an error.
  const [outcome] = await select<{ warnings: number }>(connection, sql`SELECT @@warning_count AS warnings`);
  return outcome?.warnings === 0 ? rows : undefined;
}
