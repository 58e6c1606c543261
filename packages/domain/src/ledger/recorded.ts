import type { ClaimEvent, LedgerEvent } from "./events.js";
import type { ExecutionRow } from "./execution-row.js";
import { hasBegun } from "./phase.js";
import { isHeld } from "./states.js";

/** A scheduler asks for a claim of a recorded execution. */
export interface RecordedSituation {
  readonly claim: ClaimEvent;
  readonly catchUpWindowMs: number;
  /** null: the task is deleted. */
  readonly task: { readonly callsTarget: boolean; readonly isNextDue: boolean } | null;
}

/** Judges an execution that waits, or whose holder is lost: the scheduler gets the claim, or nobody runs it any more. */
export function judgeRecorded(row: ExecutionRow, situation: RecordedSituation): LedgerEvent {
  const { claim, task } = situation;
  const { nowMs } = claim;
  if (task === null) return judgeOrphan(row, nowMs);
  if (row.state === "RETRYING" && hasBegun(row) && !task.callsTarget) {
    return { type: "WITHDRAW", reason: "TARGET_REMOVED", nowMs };
  }
  const isLost = isHeld(row.state);
  if (isTooLate(row, isLost, situation, task.isNextDue)) {
    return { type: "GIVE_UP", reason: isLost ? "SCHEDULER_LOST" : "TOO_LATE", nowMs };
  }
  return isLost ? { ...claim, type: "TAKE_OVER" } : claim;
}

/** Its task is deleted, so that nobody runs it. An occurrence that was due, and that nothing has begun, was missed. */
function judgeOrphan(row: ExecutionRow, nowMs: number): LedgerEvent {
  const isMissed =
    row.state === "CLAIMED" && row.scheduledTimeMs <= nowMs && row.trigger !== "MANUAL" && !hasBegun(row);
  const reason = "TASK_DELETED";
  return row.state === "RUNNING" || isMissed ? { type: "GIVE_UP", reason, nowMs } : { type: "WITHDRAW", reason, nowMs };
}

/**
 * A take-over follows the misfire policy: the latest due occurrence runs, within the catch-up window. An execution that
 * was handed back waits for its host, however often its task falls due meanwhile.
 */
function isTooLate(
  row: ExecutionRow,
  isLost: boolean,
  { claim: { nowMs }, catchUpWindowMs }: RecordedSituation,
  isNextDue: boolean,
): boolean {
  if (row.state === "PENDING" || row.trigger === "MANUAL" || row.startTimeMs !== null) return false;
  if (!isLost && hasBegun(row)) return false;
  return nowMs - row.scheduledTimeMs > catchUpWindowMs || (isLost && isNextDue);
}
