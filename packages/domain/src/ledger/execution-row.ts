import type { ReadRow } from "../schedule/readable-schedule.js";
import type { EndReason } from "./end-reason.js";
import { formatExecutionId } from "./execution-id.js";
import type { ExecutionState, ExecutionTrigger } from "./states.js";

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
  /** Rises when the claim is granted or taken back. See {@link claimFence}. */
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
  /** Failed attempts that count against the retry policy. */
  readonly failures: number;
  /** When the next attempt of a RETRYING row is due. */
  readonly retryTimeMs: number | null;
  /** JSON that `attemptsOf` reads. Empty: the row itself describes its only attempt. Once set, it is never emptied. */
  readonly attempts: string;
  /**
   * Why the row ended without a run. Set as long as no claim is granted after that: a late report may show that the
   * execution ran all the same, and the reason then tells that its claim had been taken back. null: neither.
   */
  readonly endReason: EndReason | null;
}

/** Stands for a stored state that nobody knows. Such a row is neither granted again nor held, and a user may retry it. */
export const STATE_INSTEAD: ExecutionState = "FAILED";

/** The execution's id, as a key of maps. */
export function executionKeyText(key: ExecutionKey): string {
  return formatExecutionId(key.taskId, key.scheduledTimeMs);
}

/** A row without history. It is PENDING until an event moves it on. */
export function newExecution(key: ExecutionKey, taskName: string, trigger: ExecutionTrigger): ExecutionRow {
  return {
    taskId: key.taskId,
    scheduledTimeMs: key.scheduledTimeMs,
    taskName,
    trigger,
    state: "PENDING",
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
    endReason: null,
  };
}
