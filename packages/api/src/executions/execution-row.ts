import { type ExecutionState, type ExecutionTrigger, formatExecutionId } from "@taskscheduler/domain";
import type { ReadRow } from "../database/select.js";

/** Names a row of the ledger. */
export interface ExecutionKey {
  readonly taskId: number;
  readonly scheduledTimeMs: number;
}

/** A row of `executions`. */
export interface ExecutionRow extends ExecutionKey, ReadRow {
  readonly taskName: string;
  readonly trigger: ExecutionTrigger;
  readonly state: ExecutionState;
  readonly attempt: number;
  readonly fence: number;
  readonly incarnation: number | null;
  readonly schedulerId: string;
  readonly claimTimeMs: number | null;
  readonly startTimeMs: number | null;
  readonly endTimeMs: number | null;
  readonly error: string;
  readonly httpStatus: number;
  readonly missedCount: number;
  readonly missedUntilMs: number | null;
  /** Attempts that failed, as the retry policy counts them. */
  readonly failures: number;
  /** Of a RETRYING row: when the next attempt is due. */
  readonly retryTimeMs: number | null;
  /** JSON, read by `attemptsOf`; empty: at most one, told by the row itself. Once it is set, it is never emptied. */
  readonly attempts: string;
}

/** Stands for a state that nobody knows: such a row is neither granted again nor held, and a user may retry it. */
export const STATE_INSTEAD: ExecutionState = "FAILED";

/** The execution's id, as maps are keyed by it. */
export function executionKeyText(key: ExecutionKey): string {
  return formatExecutionId(key.taskId, key.scheduledTimeMs);
}

/** A row that nothing has happened to yet. */
export function newExecution(
  key: ExecutionKey,
  taskName: string,
  trigger: ExecutionTrigger,
  state: ExecutionState,
): ExecutionRow {
  return {
    taskId: key.taskId,
    scheduledTimeMs: key.scheduledTimeMs,
    taskName,
    trigger,
    state,
    attempt: 0,
    fence: 0,
    incarnation: null,
    schedulerId: "",
    claimTimeMs: null,
    startTimeMs: null,
    endTimeMs: null,
    error: "",
    httpStatus: 0,
    missedCount: 0,
    missedUntilMs: null,
    failures: 0,
    retryTimeMs: null,
    attempts: "",
  };
}
