import { type ExecutionKey, type ExecutionRow, HELD_STATES, SHARD_COUNT, shardOf } from "@taskscheduler/domain";
import { counterColumn, idColumn, instantColumn } from "../database/column-readers.js";
import { createRowShape } from "../database/columns.js";
import type { SqlConnection } from "../database/database.js";
import { toDatetime } from "../database/instants.js";
import { hasKey, selectAllRows, selectRows } from "../database/select.js";
import { Sql } from "../database/sql.js";
import { EXECUTION_KEY_SHAPE } from "../executions/execution-store.js";

const KEY = ["taskId", "scheduledTimeMs"];
const DUE_SHAPE = createRowShape("tasks", KEY, [
  { attribute: "taskId", field: "id", reader: idColumn },
  { attribute: "scheduledTimeMs", field: "next_run_time", reader: instantColumn },
]);
const RETRY_SHAPE = createRowShape(
  "retries",
  [...KEY, "runTimeMs"],
  [
    { attribute: "taskId", field: "task_id", reader: idColumn },
    { attribute: "scheduledTimeMs", field: "scheduled_time", reader: instantColumn },
    { attribute: "runTimeMs", field: "retry_time", reader: instantColumn },
  ],
);
const CLAIM_SHAPE = createRowShape("executions", KEY, [
  ...EXECUTION_KEY_SHAPE.columns,
  { attribute: "fence", field: "fence", reader: counterColumn },
]);

/** An occurrence that a scheduler is to claim. */
export interface Due extends ExecutionKey {
  /** It has a row in the ledger already: it waits there, or its claimant has ended. */
  readonly recorded: boolean;
  /** When it is to run, where that is not the scheduled time. */
  readonly runTimeMs?: number;
}

/** How far a feed has read, in the order of time and id. */
export interface DueBound {
  readonly timeMs: number;
  readonly taskId: number;
}

export interface DuePage {
  readonly due: readonly ExecutionKey[];
  /** Where the next page begins; undefined: there is nothing more. */
  readonly next: DueBound | undefined;
}

/**
 * Active tasks of the shards that fall due after one bound and before a time: so many rows of the index are read, whose
 * ever they are, so that a page costs the same however much of it belongs to other schedulers.
 */
export async function pageDueTasks(
  connection: SqlConnection,
  shards: ReadonlySet<number>,
  after: DueBound,
  beforeMs: number,
  limit: number,
): Promise<DuePage> {
  const afterTime = toDatetime(after.timeMs);
  const page = new Sql(
    `SELECT id AS taskId, next_run_time AS scheduledTimeMs FROM tasks FORCE INDEX (tasks_due)
       WHERE state = 'ACTIVE' AND (next_run_time > ? OR (next_run_time = ? AND id > ?)) AND next_run_time < ?
       ORDER BY next_run_time, id LIMIT ?`,
    [afterTime, afterTime, after.taskId, toDatetime(beforeMs), limit],
  );
  const rows = await selectAllRows<ExecutionKey>(connection, DUE_SHAPE, page);
  const readable = rows.filter((row) => hasKey(row, DUE_SHAPE));
  const last = readable.at(-1);
  const isFull = rows.length === limit && last !== undefined;
  return {
    due: readable.filter((row) => shards.has(shardOf(row.taskId))),
    next: isFull ? { timeMs: last.scheduledTimeMs, taskId: last.taskId } : undefined,
  };
}

/** Rows of the ledger that wait for a scheduler: pending ones, and those whose claimant has ended. Not what is retried. */
export async function findWaiting(
  connection: SqlConnection,
  shards: readonly number[],
  live: readonly number[],
  limit: number,
): Promise<ExecutionKey[]> {
  const waiting = new Sql(
    `SELECT task_id AS taskId, scheduled_time AS scheduledTimeMs FROM executions FORCE INDEX (executions_state)
       WHERE task_id % ${SHARD_COUNT} IN (?) AND (state IN (?)
         OR (state IN (?) AND (incarnation IS NULL OR incarnation NOT IN (?))))
       LIMIT ?`,
    [shards, ["PENDING"], HELD_STATES, live.length === 0 ? [0] : live, limit],
  );
  return selectRows<ExecutionKey>(connection, EXECUTION_KEY_SHAPE, waiting);
}

/** An execution that is tried again. */
export interface DueRetry extends ExecutionKey {
  readonly runTimeMs: number;
}

/** Executions that are tried again after one bound and before an instant, the earliest first. */
export async function pageRetries(
  connection: SqlConnection,
  shards: readonly number[],
  after: DueBound,
  beforeMs: number,
  limit: number,
): Promise<DueRetry[]> {
  const afterTime = toDatetime(after.timeMs);
  const page = new Sql(
    `SELECT task_id AS taskId, scheduled_time AS scheduledTimeMs, retry_time AS runTimeMs
       FROM retries FORCE INDEX (retries_due)
       WHERE (retry_time > ? OR (retry_time = ? AND task_id > ?)) AND retry_time < ? AND task_id % ${SHARD_COUNT} IN (?)
       ORDER BY retry_time, task_id LIMIT ?`,
    [afterTime, afterTime, after.taskId, toDatetime(beforeMs), shards, limit],
  );
  return selectRows<DueRetry>(connection, RETRY_SHAPE, page);
}

/** The claims that an incarnation holds. The fence is the claim's, as the domain's `claimFence` has it. */
export async function findClaims(
  connection: SqlConnection,
  incarnation: number,
): Promise<Pick<ExecutionRow, "taskId" | "scheduledTimeMs" | "fence">[]> {
  const claims = new Sql(
    `SELECT task_id AS taskId, scheduled_time AS scheduledTimeMs, IF(end_reason IS NULL, fence, fence - 1) AS fence
       FROM executions FORCE INDEX (executions_state) WHERE state IN (?) AND incarnation = ?`,
    [HELD_STATES, incarnation],
  );
  return selectRows<Pick<ExecutionRow, "taskId" | "scheduledTimeMs" | "fence">>(connection, CLAIM_SHAPE, claims);
}
