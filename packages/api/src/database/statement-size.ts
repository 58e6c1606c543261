/** What a server takes in one packet unless it is set otherwise, and what ours must take: `max_allowed_packet`. */
export const PACKET_BYTES = 16 * 1024 * 1024;

/** Of blobs in one statement, which takes up to twice as much where every byte is escaped; one alone may be larger. */
export const STATEMENT_BYTES = 4 * 1024 * 1024;

/** Rows in as many statements as they need, in their order. */
export function inStatements<R>(rows: readonly R[], bytesOf: (row: R) => number): R[][] {
  const statements: R[][] = [];
  let left = 0;
  for (const row of rows) {
    const bytes = bytesOf(row);
    const current = statements.at(-1);
    if (current === undefined || bytes > left) {
      statements.push([row]);
      left = STATEMENT_BYTES - bytes;
    } else {
      current.push(row);
      left -= bytes;
    }
  }
  return statements;
}
