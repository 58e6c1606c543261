import { runningAttempt, withAttempt } from "./attempts.js";
import type { ClaimEvent } from "./events.js";
import type { ExecutionRow } from "./execution-row.js";
import { moveFence } from "./fence.js";
import type { TransitionRule } from "./transitions.js";

/** Grants a claim. What is known of earlier attempts stays, and so does the time of a retry. */
export function claim(row: ExecutionRow, event: ClaimEvent, rule: TransitionRule): ExecutionRow {
  return {
    ...row,
    state: rule.state,
    attempt: row.attempt + 1,
    fence: moveFence(row, rule.fence),
    incarnation: event.incarnation,
    schedulerId: event.schedulerId,
    claimTimeMs: event.nowMs,
    endReason: null,
  };
}

/** Grants the claim of a scheduler that is lost to another one. */
export function takeOver(row: ExecutionRow, event: ClaimEvent, rule: TransitionRule): ExecutionRow {
  return claim(recordLostAttempt(row, event.nowMs), event, rule);
}

/** An attempt that was due may have been made, and nobody knows how it ended. It spends no retry. */
export function recordLostAttempt(row: ExecutionRow, nowMs: number): ExecutionRow {
  if ((row.retryTimeMs ?? row.scheduledTimeMs) > nowMs) return row;
  const attempts = withAttempt(row, {
    attempt: row.attempt,
    schedulerId: row.schedulerId,
    startTimeMs: runningAttempt(row)?.startTimeMs ?? null,
    endTimeMs: Math.ceil(nowMs),
    state: "FAILED",
    error: "its scheduler died before it reported how the attempt ended",
    httpStatus: 0,
  });
  return { ...row, attempts };
}
