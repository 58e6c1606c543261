import type { ExecutionRow } from "./execution-row.js";
import type { ExecutionState } from "./states.js";

/** One try at running an execution. */
export interface Attempt {
  readonly attempt: number;
  readonly schedulerId: string;
  readonly startTimeMs: number | null;
  /** null: it runs. */
  readonly endTimeMs: number | null;
  readonly state: Extract<ExecutionState, "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED">;
  readonly error: string;
  readonly httpStatus: number;
}

/** Of a row that is known to have had none, and is to be written with what is told of attempts. */
export const NO_ATTEMPTS = "[]";
/** Older ones are dropped: a row, and the change that tells of it, stay below 100 KiB. */
const MAX_ATTEMPTS = 100;
const MAX_ERROR_LENGTH = 500;
const ENDED_BY_RUNNING: readonly ExecutionState[] = ["SUCCEEDED", "FAILED"];

/**
 * The attempts of an execution, in order. Most have one, which is told by the row's own columns; those of the others are
 * kept as JSON beside them.
 */
export function attemptsOf(row: ExecutionRow): readonly Attempt[] {
  if (row.attempts !== "") return parseAttempts(row.attempts);
  return ENDED_BY_RUNNING.includes(row.state) ? [onlyAttempt(row)] : [];
}

function onlyAttempt(row: ExecutionRow): Attempt {
  const { attempt, schedulerId, startTimeMs, endTimeMs, error, httpStatus } = row;
  return {
    ...{ attempt, schedulerId, startTimeMs, endTimeMs, error, httpStatus },
    state: row.state === "SUCCEEDED" ? "SUCCEEDED" : "FAILED",
  };
}

/** The row's `attempts` with one more, or with what has become of the one that ran. */
export function withAttempt(row: ExecutionRow, attempt: Attempt): string {
  const others = attemptsOf(row).filter((each) => each.attempt !== attempt.attempt);
  return JSON.stringify(
    [...others, { ...attempt, error: attempt.error.slice(0, MAX_ERROR_LENGTH) }].slice(-MAX_ATTEMPTS),
  );
}

/** The attempt that the row says is under way, if it has been told of. */
export function runningAttempt(row: ExecutionRow): Attempt | undefined {
  return row.attempts === "" ? undefined : parseAttempts(row.attempts).find((each) => each.endTimeMs === null);
}

/** What somebody wrote past us tells of no attempt. */
function parseAttempts(text: string): readonly Attempt[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
