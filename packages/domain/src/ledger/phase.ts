import { attemptsOf } from "./attempts.js";
import type { ExecutionRow } from "./execution-row.js";
import type { ExecutionState } from "./states.js";

/**
 * A state, with CANCELLED split in two. A WITHDRAWN execution was taken back by a change of its task, and its occurrence
 * may come again. A CANCELLED one was cancelled by a user, for good.
 */
export type Phase = ExecutionState | "WITHDRAWN";

export function phaseOf(row: ExecutionRow): Phase {
  return isWithdrawn(row) ? "WITHDRAWN" : row.state;
}

/** Whether a change of the task took the execution back. A row without a reason was withdrawn by an earlier release. */
export function isWithdrawn({ state, endReason }: Pick<ExecutionRow, "state" | "endReason">): boolean {
  return state === "CANCELLED" && endReason !== "CANCELLED_BY_USER";
}

/** Whether a withdrawn row may come back. Once an attempt is known, the row stays as it is. */
export function isReopenable(row: ExecutionRow): boolean {
  return isWithdrawn(row) && row.startTimeMs === null && row.attempts === "";
}

/** Whether an attempt is known, or may have been made. */
export function hasBegun(row: ExecutionRow): boolean {
  return row.startTimeMs !== null || attemptsOf(row).length > 0;
}
