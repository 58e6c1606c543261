import type { ExecutionRow } from "./execution-row.js";

/** A pause, or an edit of the schedule or the target, withdraws claims that lie ahead. Manual runs stay. */
export function isClaimedAhead(row: ExecutionRow, nowMs: number): boolean {
  return row.state === "CLAIMED" && row.trigger !== "MANUAL" && row.scheduledTimeMs > nowMs;
}

/**
 * A deletion withdraws all that has not begun. A due reminder runs at this moment; a due call may wait for its turn for
 * long, and is withdrawn.
 */
export function isWithdrawnByDeletion(row: ExecutionRow, isReminder: boolean, nowMs: number): boolean {
  if (row.state === "RUNNING") return false;
  const isDueClaim = row.state === "CLAIMED" && (row.retryTimeMs ?? row.scheduledTimeMs) <= nowMs;
  return !(isDueClaim && isReminder);
}
