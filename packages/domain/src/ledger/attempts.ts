import type { ExecutionRow } from "./execution-row.js";
import type { ExecutionState } from "./states.js";

/** One try at running an execution. */
export interface Attempt {
  readonly attempt: number;
  readonly schedulerId: string;
  readonly startTimeMs: number | null;
  /** null: the attempt is under way. */
  readonly endTimeMs: number | null;
  readonly state: Extract<ExecutionState, "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED">;
  readonly error: string;
  readonly httpStatus: number;
}

/** The `attempts` of a row that is known to have had none. Such a row is written with the columns that tell of attempts. */
export const NO_ATTEMPTS = "[]";
/** Older attempts are dropped, so that a row and its change stay below 100 KiB. */
const MAX_ATTEMPTS = 100;
const MAX_ERROR_LENGTH = 500;
const ENDED_BY_RUNNING: readonly ExecutionState[] = ["SUCCEEDED", "FAILED"];

/**
 * The attempts of an execution, in order. The row's own columns describe a single attempt. Where there are more, they
 * stand as JSON beside these columns.
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

/** The row's `attempts` with another attempt, or with the end of the attempt that was under way. */
export function withAttempt(row: ExecutionRow, attempt: Attempt): string {
  const others = attemptsOf(row).filter((each) => each.attempt !== attempt.attempt);
  return JSON.stringify(
    [...others, { ...attempt, error: attempt.error.slice(0, MAX_ERROR_LENGTH) }].slice(-MAX_ATTEMPTS),
  );
}

/** The attempt that is under way, once its scheduler has reported its beginning. */
export function runningAttempt(row: ExecutionRow): Attempt | undefined {
  return row.attempts === "" ? undefined : parseAttempts(row.attempts).find((each) => each.endTimeMs === null);
}

/** A text that the API did not write holds no attempts. */
function parseAttempts(text: string): readonly Attempt[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.filter((each) => typeof each === "object" && each !== null) : [];
  } catch {
    return [];
  }
}
