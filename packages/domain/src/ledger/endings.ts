import { recordLostAttempt } from "./claims.js";
import {
  CANCELLED_TEXT,
  type EndReason,
  MISS_TEXTS,
  type MissReason,
  SKIP_TEXTS,
  type SkipReason,
  WITHDRAWAL_TEXTS,
  type WithdrawalReason,
} from "./end-reason.js";
import type { ExecutionRow } from "./execution-row.js";
import { moveFence } from "./fence.js";
import type { TransitionRule } from "./transitions.js";

// Executions that end without a report. Who holds the claim must not start any more: the fence says so.

export function cancel(row: ExecutionRow, nowMs: number, rule: TransitionRule): ExecutionRow {
  return endWithoutRun(row, "CANCELLED_BY_USER", CANCELLED_TEXT, nowMs, rule);
}

export function withdraw(
  row: ExecutionRow,
  reason: WithdrawalReason,
  nowMs: number,
  rule: TransitionRule,
): ExecutionRow {
  return endWithoutRun(row, reason, WITHDRAWAL_TEXTS[reason], nowMs, rule);
}

export function skip(row: ExecutionRow, reason: SkipReason, nowMs: number, rule: TransitionRule): ExecutionRow {
  return endWithoutRun(row, reason, SKIP_TEXTS[reason], nowMs, rule);
}

/** @param count how many occurrences the row stands for @param untilMs the last of them */
export function miss(
  row: ExecutionRow,
  missed: { readonly reason: MissReason; readonly nowMs: number; readonly count: number; readonly untilMs: number },
  rule: TransitionRule,
): ExecutionRow {
  const { reason, nowMs, count, untilMs } = missed;
  const ended = endWithoutRun(row, reason, MISS_TEXTS[reason], nowMs, rule);
  return { ...ended, missedCount: count, missedUntilMs: untilMs };
}

/** Nobody will run the execution any more. An attempt that has begun counts as failed: how it ended is not known. */
export function giveUp(row: ExecutionRow, reason: MissReason, nowMs: number, rule: TransitionRule): ExecutionRow {
  if (rule.to === "MISSED") return miss(row, { reason, nowMs, count: 1, untilMs: row.scheduledTimeMs }, rule);
  return {
    ...recordLostAttempt(row, nowMs),
    state: rule.state,
    fence: moveFence(row, rule.fence),
    endTimeMs: nowMs,
    error: "its scheduler died while it ran, and its task was deleted",
    endReason: null,
  };
}

function endWithoutRun(
  row: ExecutionRow,
  endReason: EndReason,
  error: string,
  nowMs: number,
  rule: TransitionRule,
): ExecutionRow {
  const fence = moveFence(row, rule.fence);
  return { ...row, state: rule.state, fence, endTimeMs: nowMs, retryTimeMs: null, error, endReason };
}
