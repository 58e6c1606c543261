import { attemptsOf, withAttempt } from "./attempts.js";
import type { AttemptOutcome, ReportEvent } from "./events.js";
import type { ExecutionRow } from "./execution-row.js";
import { begin, end, toAttempt } from "./reports.js";
import type { TransitionRule } from "./transitions.js";

/**
 * A report about a claim that was taken back meanwhile. A run wins over a row that ended without it, and the row says
 * both. An execution that a user cancelled stays cancelled unless it had succeeded; the row then says when it ran.
 */
export function reportLate(row: ExecutionRow, event: ReportEvent, rule: TransitionRule): ExecutionRow {
  switch (event.type) {
    case "BEGIN":
      // Users see the execution, and can cancel it, until it has ended.
      return { ...begin(row, event.startTimeMs, rule), ...NOT_MISSED, endTimeMs: null, error: "" };
    case "SUCCEED":
    case "FAIL":
    case "ABORT":
      return isTold(row) ? row : endLate(row, event, rule);
    default:
      return row;
  }
}

const NOT_MISSED = { missedCount: 0, missedUntilMs: null } satisfies Partial<ExecutionRow>;

function endLate(
  row: ExecutionRow,
  event: Extract<ReportEvent, AttemptOutcome & { type: "SUCCEED" | "FAIL" | "ABORT" }>,
  rule: TransitionRule,
): ExecutionRow {
  if (rule.to === "SUCCEEDED" || rule.to === "FAILED") {
    return { ...end(row, event, row.failures, rule), ...NOT_MISSED, error: lateText(row, event.error) };
  }
  const attempts = withAttempt(row, toAttempt(row, event, event.type === "FAIL" ? "FAILED" : "CANCELLED"));
  return { ...row, attempts, startTimeMs: row.startTimeMs ?? event.startTimeMs };
}

/** Whether the row says how its latest attempt ended. */
function isTold(row: ExecutionRow): boolean {
  return attemptsOf(row).some((each) => each.attempt === row.attempt && each.endTimeMs !== null);
}

function lateText(row: ExecutionRow, error: string): string {
  const ran = row.state === "MISSED" ? "ran after it was recorded as missed" : `ran although it was ${row.error}`;
  return error === "" ? ran : `${error} (${ran})`;
}
