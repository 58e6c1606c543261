import { attemptsOf } from "./attempts.js";
import { type ExecutionRow, newExecution } from "./execution-row.js";
import { moveFence } from "./fence.js";
import type { ExecutionTrigger } from "./states.js";
import type { TransitionRule } from "./transitions.js";

/** The occurrence of a withdrawn row comes again. Nothing of the row is left but its fence, which no claim had yet. */
export function reopen(
  row: ExecutionRow,
  { taskName, trigger }: { readonly taskName: string; readonly trigger: ExecutionTrigger },
  rule: TransitionRule,
): ExecutionRow {
  return { ...newExecution(row, taskName, trigger), state: rule.state, fence: moveFence(row, rule.fence) };
}

/** A failed execution waits for a scheduler again, with all the attempts of its task's policy. Its history stays. */
export function retry(row: ExecutionRow, rule: TransitionRule): ExecutionRow {
  return {
    ...row,
    state: rule.state,
    fence: moveFence(row, rule.fence),
    failures: 0,
    endTimeMs: null,
    retryTimeMs: null,
    error: "",
    httpStatus: 0,
    attempts: JSON.stringify(attemptsOf(row)),
    endReason: null,
  };
}
