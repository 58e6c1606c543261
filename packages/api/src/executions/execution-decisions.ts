import { attemptsOf, type ExecutionKey, type ExecutionRow, isUnfinished, ServiceError } from "@taskscheduler/domain";
import type { TaskCursor } from "../tasks/task-row.js";
import type { Stage, WriteView } from "../writes/write-command.js";

/** A row that its task's change took back says so; one that a user cancelled is not to come back by itself. */
const WITHDRAWN = "withdrawn: ";

export function withdrawn(row: ExecutionRow, why: string, nowMs: number): ExecutionRow {
  return cancelled(row, `${WITHDRAWN}${why}`, nowMs);
}

/** Under the next fence: who holds the claim must not run it any more. */
function cancelled(row: ExecutionRow, error: string, nowMs: number): ExecutionRow {
  return { ...row, state: "CANCELLED", fence: row.fence + 1, endTimeMs: nowMs, retryTimeMs: null, error };
}

/**
 * What becomes of a row whose scheduler has died, when its task is deleted by then: nobody will run it. An occurrence that was
 * due, and that nothing is known to have begun, was missed; all else is withdrawn.
 */
export function leftBehind(row: ExecutionRow, nowMs: number): ExecutionRow {
  const why = "the task was deleted";
  const isDue = row.state === "CLAIMED" && row.scheduledTimeMs <= nowMs;
  if (!isDue || row.trigger === "MANUAL" || hasBegun(row)) return withdrawn(row, why, nowMs);
  return missed(row, `nothing had run it when ${why}`, nowMs);
}

/** Under the next fence, as what is withdrawn. */
export function missed(row: ExecutionRow, error: string, nowMs: number): ExecutionRow {
  const counted = { missedCount: 1, missedUntilMs: row.scheduledTimeMs, retryTimeMs: null };
  return { ...row, ...counted, state: "MISSED", fence: row.fence + 1, endTimeMs: nowMs, error };
}

/** Whether an attempt is known, or may have been made. */
export function hasBegun(row: ExecutionRow): boolean {
  return row.startTimeMs !== null || attemptsOf(row).length > 0;
}

/** An execution has ended without a run: its task is completed where that was its last. */
export function endWithoutRun(row: ExecutionRow, task: TaskCursor | undefined, stage: Stage): void {
  stage.saveExecution(row);
  if (task?.state === "ACTIVE" && task.nextRunTimeMs === null && row.trigger !== "MANUAL") {
    stage.moveTask({ ...task, state: "COMPLETED" });
  }
}

/** Whether it was its task's change that took the row back, and not a user who cancelled it. */
export function isWithdrawn({ error }: Pick<ExecutionRow, "error">): boolean {
  return error.startsWith(WITHDRAWN);
}

/** A withdrawn row may come back: its task may be moved away from an instant and back to it. */
export function isReopenable(row: ExecutionRow): boolean {
  return row.state === "CANCELLED" && isWithdrawn(row) && row.startTimeMs === null && row.attempts === "";
}

/** Throws EXECUTION_ENDED. What is cancelled already stays as it is. */
export function decideCancel(row: ExecutionRow, view: WriteView, stage: Stage): ExecutionRow {
  if (row.state === "CANCELLED") return row;
  if (!isUnfinished(row.state)) {
    throw new ServiceError("EXECUTION_ENDED", `the execution has ended: it is ${row.state}`);
  }
  const next = cancelled(row, "cancelled by a user", view.nowMs);
  endWithoutRun(next, view.cursors.get(row.taskId), stage);
  return next;
}

/**
 * A failed execution waits for a scheduler once more, with all the attempts of its task's policy. Throws
 * EXECUTION_NOT_FAILED and TASK_DELETED.
 *
 * @param tasks as the command has left them so far: several of one task may run again
 */
export function decideRetry(row: ExecutionRow, tasks: Map<number, TaskCursor>, stage: Stage): ExecutionRow {
  if (row.state !== "FAILED") {
    throw new ServiceError(
      "EXECUTION_NOT_FAILED",
      `only what has FAILED can be retried; the execution is ${row.state}`,
    );
  }
  const task = tasks.get(row.taskId);
  if (task === undefined) {
    throw new ServiceError("TASK_DELETED", `task ${row.taskId} is deleted; there is nothing to run any more`);
  }
  const attempts = JSON.stringify(attemptsOf(row));
  const next: ExecutionRow = {
    ...row,
    ...{ state: "PENDING", failures: 0, endTimeMs: null, retryTimeMs: null, error: "", httpStatus: 0, attempts },
  };
  stage.saveExecution(next);
  // It has not run to its end after all.
  const isReopened = task.state === "COMPLETED" && row.trigger !== "MANUAL";
  const moved: TaskCursor = {
    ...task,
    state: isReopened ? "ACTIVE" : task.state,
    runCount: Math.max(0, task.runCount - 1),
  };
  tasks.set(task.id, moved);
  stage.moveTask(moved);
  return next;
}

/** Throws EXECUTION_NOT_FOUND. */
export function executionOf(view: WriteView, key: ExecutionKey, id: string): ExecutionRow {
  const row = view.execution(key);
  if (row === undefined) throw executionNotFound(id);
  return row;
}

export function executionNotFound(id: string): ServiceError {
  return new ServiceError("EXECUTION_NOT_FOUND", `there is no execution ${JSON.stringify(id)}`);
}
