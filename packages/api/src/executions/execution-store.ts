import { EXECUTION_STATES, isUnfinished, UNFINISHED_STATES } from "@taskscheduler/domain";
import { shapeOf } from "../database/columns.js";
import type { SqlConnection } from "../database/database.js";
import { ExecutionModel } from "../database/execution-model.js";
import { toDatetime, toNullableDatetime } from "../database/instants.js";
import { selectRows } from "../database/select.js";
import { joinSql, raw, Sql, sql } from "../database/sql.js";
import { plain, type Statement } from "../database/statements.js";
import type { ExecutionKey, ExecutionRow } from "./execution-row.js";

export const EXECUTION_SHAPE = shapeOf(ExecutionModel);
export const EXECUTION_COLUMNS = raw(EXECUTION_SHAPE.columns);

const ENDED_STATES = EXECUTION_STATES.filter((state) => !isUnfinished(state));
/** Rows in a statement: a longer one parses no faster and holds the connection longer. */
const CHUNK = 500;

/**
 * Reads rows by their keys; with `lock`, locks those that are there. The index is forced: for rows that share a time the
 * optimizer takes the index by time (137 ms for 500 rows among 50,000, against 6).
 */
export async function findExecutions(
  connection: SqlConnection,
  keys: readonly ExecutionKey[],
  options: { lock: boolean },
): Promise<ExecutionRow[]> {
  const found: ExecutionRow[] = [];
  for (let from = 0; from < keys.length; from += CHUNK) {
    const chunk = keys.slice(from, from + CHUNK);
    const rows = sql`SELECT ${EXECUTION_COLUMNS} FROM executions FORCE INDEX (PRIMARY)
      WHERE (task_id, scheduled_time) IN (${keyList(chunk)})${raw(options.lock ? " FOR UPDATE" : "")}`;
    found.push(...(await selectRows<ExecutionRow>(connection, EXECUTION_SHAPE, rows)));
  }
  return found;
}

function keyList(keys: readonly ExecutionKey[]): Sql {
  const values = keys.flatMap((key) => [key.taskId, toDatetime(key.scheduledTimeMs)]);
  return new Sql(keys.map(() => "(?,?)").join(","), values);
}

/** Locks the unfinished executions of tasks. */
export async function lockUnfinished(connection: SqlConnection, taskIds: readonly number[]): Promise<ExecutionRow[]> {
  if (taskIds.length === 0) return [];
  const rows = sql`SELECT ${EXECUTION_COLUMNS} FROM executions FORCE INDEX (executions_state)
    WHERE state IN (${UNFINISHED_STATES}) AND task_id IN (${taskIds})
    ORDER BY task_id, scheduled_time FOR UPDATE`;
  return selectRows(connection, EXECUTION_SHAPE, rows);
}

/** Writes rows whole, new or not: the primary key is the only unique one. */
export function saveExecutions(rows: readonly ExecutionRow[]): Statement[] {
  const statements: Statement[] = [];
  for (let from = 0; from < rows.length; from += CHUNK) {
    const chunk = rows.slice(from, from + CHUNK);
    const values: unknown[] = [];
    for (const row of chunk) {
      values.push(row.taskId, toDatetime(row.scheduledTimeMs), row.taskName, row.trigger, row.state, row.attempt);
      values.push(row.fence, row.incarnation, row.schedulerId, toNullableDatetime(row.claimTimeMs));
      values.push(toNullableDatetime(row.startTimeMs), toNullableDatetime(row.endTimeMs), row.error, row.httpStatus);
      values.push(row.missedCount, toNullableDatetime(row.missedUntilMs));
    }
    const sql = `INSERT INTO executions (task_id, scheduled_time, task_name, trigger_kind, state, attempt, fence, incarnation,
           scheduler_id, claim_time, start_time, end_time, error, http_status, missed_count, missed_until)
         VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)${",(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)".repeat(chunk.length - 1)}
         ON DUPLICATE KEY UPDATE task_name = VALUES(task_name), trigger_kind = VALUES(trigger_kind), state = VALUES(state),
           attempt = VALUES(attempt), fence = VALUES(fence), incarnation = VALUES(incarnation),
           scheduler_id = VALUES(scheduler_id), claim_time = VALUES(claim_time), start_time = VALUES(start_time),
           end_time = VALUES(end_time), error = VALUES(error), http_status = VALUES(http_status),
           missed_count = VALUES(missed_count), missed_until = VALUES(missed_until)`;
    statements.push(plain(sql, values));
  }
  return statements;
}

/**
 * Writes how executions ended well, of rows that are locked: one statement with one parameter for any number of rows.
 * Measured for 500 rows: 10 ms, where writing them whole takes 14, and a third of the time of this process.
 */
export function endExecutions(rows: readonly ExecutionRow[]): Statement[] {
  if (rows.length === 0) return [];
  const values = rows.map((row) => [
    ...[row.taskId, toDatetime(row.scheduledTimeMs), row.state],
    ...[toNullableDatetime(row.startTimeMs), toNullableDatetime(row.endTimeMs)],
  ]);
  const sql = `UPDATE JSON_TABLE(?, '$[*]' COLUMNS(task_id INT PATH '$[0]', scheduled_time DATETIME(3) PATH '$[1]',
         state VARCHAR(16) PATH '$[2]', start_time DATETIME(3) PATH '$[3]', end_time DATETIME(3) PATH '$[4]')) AS ended
       STRAIGHT_JOIN executions FORCE INDEX (PRIMARY)
         ON executions.task_id = ended.task_id AND executions.scheduled_time = ended.scheduled_time
       SET executions.state = ended.state, executions.start_time = ended.start_time,
         executions.end_time = ended.end_time, executions.error = ''`;
  return [plain(sql, [JSON.stringify(values)])];
}

/**
 * Unfinished executions after a key, by task and time, for a snapshot a page at a time: of all tasks, or of one. Each state
 * is a range of the index, of which no more than a page is read.
 */
export async function pageUnfinished(
  connection: SqlConnection,
  after: ExecutionKey,
  limit: number,
  taskId?: number,
): Promise<ExecutionRow[]> {
  const ofTask = taskId === undefined ? raw("") : sql`AND task_id = ${taskId}`;
  const ranges = UNFINISHED_STATES.map(
    (state) =>
      sql`(SELECT ${EXECUTION_COLUMNS} FROM executions FORCE INDEX (executions_state) WHERE state = ${state} ${ofTask}
        AND (task_id > ${after.taskId} OR (task_id = ${after.taskId} AND scheduled_time > ${toDatetime(after.scheduledTimeMs)}))
        ORDER BY task_id, scheduled_time LIMIT ${limit})`,
  );
  const page = sql`${joinSql(ranges, " UNION ALL ")} ORDER BY taskId, scheduledTimeMs LIMIT ${limit}`;
  return selectRows(connection, EXECUTION_SHAPE, page);
}

/**
 * Removes rows that ended, and were due, before the instant, a small batch at a time. By both: a task that is created
 * with a time long past has run just now. The keys are read first, as the index of a DELETE cannot be forced: by its
 * own estimate the server may sort all rows of a state.
 *
 * @returns how many it removed
 */
export async function purgeExecutions(connection: SqlConnection, beforeMs: number, limit: number): Promise<number> {
  const before = toDatetime(beforeMs);
  const ranges = ENDED_STATES.map(
    (state) =>
      `(SELECT task_id AS taskId, scheduled_time AS scheduledTimeMs FROM executions FORCE INDEX (executions_due)
          WHERE state = '${state}' AND scheduled_time < ? AND end_time < ? ORDER BY scheduled_time LIMIT ?)`,
  );
  const keys: ExecutionKey[] = await connection.query(`${ranges.join(" UNION ALL ")} LIMIT ?`, [
    ...ENDED_STATES.flatMap(() => [before, before, limit]),
    limit,
  ]);
  if (keys.length === 0) return 0;
  // Judged again: one that was withdrawn may have come back meanwhile.
  const outcome: { affectedRows: number } = await connection.query(
    `DELETE executions FROM executions FORCE INDEX (PRIMARY)
       WHERE (task_id, scheduled_time) IN (${keys.map(() => "(?,?)").join(",")}) AND state IN (?) AND end_time < ?`,
    [...keys.flatMap((key) => [key.taskId, toDatetime(key.scheduledTimeMs)]), ENDED_STATES, before],
  );
  return outcome.affectedRows;
}

/** How many executions are in each unfinished state that any is in. The database gives up after the time. */
export async function countUnfinished(
  connection: SqlConnection,
  limitSeconds: number,
): Promise<{ readonly state: string; readonly count: number }[]> {
  return connection.query(
    `SET STATEMENT max_statement_time = ${limitSeconds} FOR
       SELECT state, COUNT(*) AS count FROM executions FORCE INDEX (executions_state) WHERE state IN (?) GROUP BY state`,
    [UNFINISHED_STATES],
  );
}
