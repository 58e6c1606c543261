import { type ExecutionKey, type ExecutionRow, ServiceError, transition } from "@taskscheduler/domain";
import type { TaskCursor } from "../tasks/task-row.js";
import type { Stage, WriteView } from "../writes/write-command.js";
import { stageTransition } from "./stage-transition.js";

/** Throws EXECUTION_ENDED. A cancelled execution stays as it is. */
export function decideCancel(row: ExecutionRow, view: WriteView, stage: Stage): ExecutionRow {
  if (row.state === "CANCELLED") return row;
  const next = transition(row, { type: "CANCEL", nowMs: view.nowMs });
  if (next === undefined) {
    throw new ServiceError("EXECUTION_ENDED", `the execution has ended: it is ${row.state}`);
  }
  stageTransition(next, view.cursors.get(row.taskId), stage);
  return next.row;
}

/**
 * A failed execution runs again, with all the attempts of its task's policy. Throws EXECUTION_NOT_FAILED and TASK_DELETED.
 *
 * @param tasks the tasks as the command has left them so far: several executions of one task may run again
 */
export function decideRetry(row: ExecutionRow, tasks: Map<number, TaskCursor>, stage: Stage): ExecutionRow {
  const next = transition(row, { type: "RETRY" });
  if (next === undefined) {
    throw new ServiceError(
      "EXECUTION_NOT_FAILED",
      `only what has FAILED can be retried; the execution is ${row.state}`,
    );
  }
  const task = tasks.get(row.taskId);
  if (task === undefined) {
    throw new ServiceError("TASK_DELETED", `task ${row.taskId} is deleted; there is nothing to run any more`);
  }
  tasks.set(task.id, stageTransition(next, task, stage) ?? task);
  return next.row;
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
