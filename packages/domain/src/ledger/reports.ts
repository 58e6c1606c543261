import { type Attempt, NO_ATTEMPTS, withAttempt } from "./attempts.js";
import type { AttemptOutcome, ReportEvent } from "./events.js";
import type { ExecutionRow } from "./execution-row.js";
import { moveFence } from "./fence.js";
import type { TransitionRule } from "./transitions.js";

/** A report by the holder of a claim. */
export function report(row: ExecutionRow, event: ReportEvent, rule: TransitionRule): ExecutionRow {
  switch (event.type) {
    case "BEGIN":
      return begin(row, event.startTimeMs, rule);
    case "SUCCEED":
      return end(row, event, row.failures, rule);
    case "FAIL":
      return end(row, event, event.failures, rule);
    case "ABORT":
      return abort(row, event, rule);
    case "RETRY_LATER":
      return retryLater(row, event, rule);
    case "HAND_BACK":
      return handBack(row, event, rule);
  }
}

export function begin(row: ExecutionRow, startTimeMs: number, rule: TransitionRule): ExecutionRow {
  const outcome = { startTimeMs, endTimeMs: startTimeMs, error: "", httpStatus: 0 };
  return {
    ...row,
    state: rule.state,
    fence: moveFence(row, rule.fence),
    startTimeMs: row.startTimeMs ?? startTimeMs,
    retryTimeMs: null,
    attempts: withAttempt(row, { ...toAttempt(row, outcome, "RUNNING"), endTimeMs: null }),
  };
}

/** On the way of every execution: it makes nothing but the row. The only attempt is described by the row itself. */
export function end(row: ExecutionRow, outcome: AttemptOutcome, failures: number, rule: TransitionRule): ExecutionRow {
  const state = rule.to === "SUCCEEDED" ? "SUCCEEDED" : "FAILED";
  return {
    ...row,
    state,
    fence: moveFence(row, rule.fence),
    startTimeMs: row.startTimeMs ?? outcome.startTimeMs,
    endTimeMs: outcome.endTimeMs,
    retryTimeMs: null,
    error: outcome.error,
    httpStatus: outcome.httpStatus,
    failures,
    attempts: row.attempts === "" ? "" : withAttempt(row, toAttempt(row, outcome, state)),
  };
}

export function toAttempt(row: ExecutionRow, outcome: AttemptOutcome, state: Attempt["state"]): Attempt {
  const { startTimeMs, endTimeMs, error, httpStatus } = outcome;
  return { attempt: row.attempt, schedulerId: row.schedulerId, state, startTimeMs, endTimeMs, error, httpStatus };
}

function abort(row: ExecutionRow, outcome: AttemptOutcome, rule: TransitionRule): ExecutionRow {
  const attempts = withAttempt(row, toAttempt(row, outcome, "CANCELLED"));
  return { ...end(row, outcome, row.failures, rule), state: rule.state, attempts, endReason: "CANCELLED_BY_USER" };
}

function retryLater(
  row: ExecutionRow,
  event: Extract<ReportEvent, { type: "RETRY_LATER" }>,
  rule: TransitionRule,
): ExecutionRow {
  const { failures, retryTimeMs } = event;
  const attempts = withAttempt(row, toAttempt(row, event, "FAILED"));
  return { ...end(row, event, failures, rule), state: rule.state, endTimeMs: null, retryTimeMs, attempts };
}

/** The claim was not begun, and will not be. Another scheduler may claim it, or this one later. It was no attempt. */
function handBack(
  row: ExecutionRow,
  { retryTimeMs, error }: Extract<ReportEvent, { type: "HAND_BACK" }>,
  rule: TransitionRule,
): ExecutionRow {
  return {
    ...row,
    state: rule.state,
    fence: moveFence(row, rule.fence),
    attempt: Math.max(0, row.attempt - 1),
    retryTimeMs: Math.max(retryTimeMs, row.retryTimeMs ?? row.scheduledTimeMs),
    attempts: row.attempts === "" ? NO_ATTEMPTS : row.attempts,
    error,
  };
}
