import type { SqlConnection } from "./database.js";
import { STATEMENT_BYTES } from "./statement-size.js";

export interface Statement {
  /** With a `?` for each value. */
  readonly sql: string;
  readonly values: readonly unknown[];
  /** Of blobs among the values. */
  readonly bytes: number;
}

/** What has no values of any size. */
export function plain(sql: string, values: readonly unknown[] = []): Statement {
  return { sql, values, bytes: 0 };
}

/**
 * Runs statements in their order, up to the first that fails, and answers what the last one, a SELECT, reads. They go to
 * the server as one where they are small: each way there and back costs this process more than most statements cost the
 * server, and locks are held meanwhile.
 */
export async function runTogether<R>(connection: SqlConnection, statements: readonly Statement[]): Promise<R[]> {
  if (statements.reduce((sum, { bytes }) => sum + bytes, 0) > STATEMENT_BYTES) {
    let rows: R[] = [];
    for (const { sql, values } of statements) rows = await connection.query(sql, values);
    return rows;
  }
  const compound = `BEGIN NOT ATOMIC ${statements.map(({ sql }) => sql).join("; ")}; END`;
  // A result for the SELECT, and one for the whole.
  const values: unknown[] = [];
  for (const statement of statements) for (const value of statement.values) values.push(value);
  const [rows]: [R[], unknown] = await connection.query(compound, values);
  return rows;
}
