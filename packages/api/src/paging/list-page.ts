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
  /** About what a row takes in the answer, where it may be large. */
  readonly bytesOf: (row: R) => number;
}

/** A page of large rows is shorter: gRPC's clients take answers of 4 MiB unless they are told otherwise. */
const MAX_PAGE_BYTES = 3 * 1024 * 1024;

/** Reads a page, and one row more, which says whether there is another; counts all meanwhile where that is asked for. */
export async function readListPage<R>(
  database: Database,
  request: { readonly pageSize: number; readonly countTotal: boolean },
  { page, count, tokenAfter, bytesOf }: ListSource<R>,
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
  const rows = withinBytes(found.slice(0, pageSize), bytesOf);
  const last = rows.at(-1);
  const hasMore = found.length > rows.length && last !== undefined;
  return { rows, nextPageToken: hasMore ? tokenAfter(last) : "", totalSize };
}

/** As many of the first rows as a page has room for, and one at least. */
function withinBytes<R>(rows: R[], bytesOf: (row: R) => number): R[] {
  let bytes = 0;
  for (const [index, row] of rows.entries()) {
    bytes += bytesOf(row);
    if (bytes > MAX_PAGE_BYTES && index > 0) return rows.slice(0, index);
  }
  return rows;
}
