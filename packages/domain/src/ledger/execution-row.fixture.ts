import { type ExecutionRow, newExecution } from "./execution-row.js";

export const NOW_MS = Date.UTC(2026, 10, 23, 12);

/** A claim of incarnation 1 on the occurrence at `NOW_MS`. */
export function executionRow(changes: Partial<ExecutionRow> = {}): ExecutionRow {
  return {
    ...newExecution({ taskId: 7, scheduledTimeMs: NOW_MS }, "seven", "SCHEDULE"),
    state: "CLAIMED",
    attempt: 1,
    fence: 1,
    incarnation: 1,
    schedulerId: "one",
    claimTimeMs: NOW_MS - 1_000,
    ...changes,
  };
}
