import type { SqlConnection } from "../database/database.js";
import { toDatetime } from "../database/instants.js";
import { inStatements } from "../database/statement-size.js";
import type { Statement } from "../database/statements.js";

/** The first answer to a request that may be sent again. */
export interface StoredAnswer {
  /** Lower case. */
  readonly requestId: string;
  readonly fingerprint: Uint8Array;
  readonly answer: Uint8Array;
}

export async function findAnswers(
  connection: SqlConnection,
  requestIds: readonly string[],
): Promise<Map<string, StoredAnswer>> {
  if (requestIds.length === 0) return new Map();
  const rows: StoredAnswer[] = await connection.query(
    "SELECT request_id AS requestId, fingerprint, answer FROM requests WHERE request_id IN (?)",
    [requestIds.map((id) => id.toLowerCase())],
  );
  return new Map(rows.map((row) => [row.requestId, row]));
}

export function saveAnswers(answers: readonly StoredAnswer[], nowMs: number): Statement[] {
  return inStatements(answers, ({ answer }) => answer.byteLength).map((part) => ({
    sql: `INSERT INTO requests (request_id, fingerprint, answer, create_time) VALUES ${part.map(() => "(?,?,?,?)").join(",")}`,
    values: part.flatMap(({ requestId, fingerprint, answer }) => [
      ...[requestId, Buffer.from(fingerprint), Buffer.from(answer), toDatetime(nowMs)],
    ]),
    bytes: part.reduce((sum, { answer }) => sum + answer.byteLength, 0),
  }));
}

/** Forgets old answers, a small batch at a time. @returns how many it removed */
export async function purgeAnswers(connection: SqlConnection, beforeMs: number, limit: number): Promise<number> {
  const outcome: { affectedRows: number } = await connection.query(
    "DELETE FROM requests WHERE create_time < ? ORDER BY create_time LIMIT ?",
    [toDatetime(beforeMs), limit],
  );
  return outcome.affectedRows;
}
