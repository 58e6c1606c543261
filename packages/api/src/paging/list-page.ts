import type { Database, SqlConnection } from "../database/database.js";
import { pageSizeOf } from "./page-request.js";

export interface ListPage<R> {
  readonly rows: R[];
  /** Empty: this is the last page. */
  readonly nextPageToken: string;
  /** 0 unless it was asked for. */
  readonly totalSize: number;
}

/** How a list is read. */
export interface ListSource<R> {
  readonly page: (connection: SqlConnection, limit: number) => Promise<R[]>;
  readonly count: (connection: SqlConnection) => Promise<number>;
  /** The token of what comes after a row. */
  readonly tokenAfter: (row: R) => string;
}

/** Reads a page, and one row more, which says whether there is another; counts all meanwhile where that is asked for. */
export async function readListPage<R>(
  database: Database,
  request: { readonly pageSize: number; readonly countTotal: boolean },
  { page, count, tokenAfter }: ListSource<R>,
  signal: AbortSignal,
): Promise<ListPage<R>> {
  const pageSize = pageSizeOf(request.pageSize);
  const [found, totalSize] = await database.query(
    () =>
      Promise.all([
        database.withConnection((connection) => page(connection, pageSize + 1)),
        request.countTotal ? database.withConnection(count) : 0,
      ]),
    signal,
  );
  const rows = found.slice(0, pageSize);
  const last = rows.at(-1);
  const hasMore = found.length > pageSize && last !== undefined;
  return { rows, nextPageToken: hasMore ? tokenAfter(last) : "", totalSize };
}
