/** How failed attempts are tried again, as a user set it; `null` stands for the default. */
export interface RetryPolicy {
  readonly maxAttempts: number | null;
  readonly initialBackoffMs: number | null;
  readonly maxBackoffMs: number | null;
  readonly multiplier: number | null;
  /** HTTP statuses that are tried again; empty: {@link isRetriedByDefault}. */
  readonly retryStatuses: readonly number[];
}

/** What went wrong with an attempt. */
export type AttemptFailure = "RESPONSE" | "CONNECTION" | "TIMEOUT" | "BLOCKED" | "SECRET_UNKNOWN" | "INTERRUPTED";

export interface FailedAttempt {
  readonly failure: AttemptFailure;
  /** 0: there was no answer. */
  readonly httpStatus: number;
  /** How long the target asks to be left alone; 0: it does not say. */
  readonly retryAfterMs: number;
}

const TARGET_MAX_ATTEMPTS = 5;
const INITIAL_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 5 * 60_000;
const MULTIPLIER = 2;
/** What a target may ask for. */
const MAX_RETRY_AFTER_MS = 24 * 60 * 60_000;

/**
 * How long to wait before the next attempt, in milliseconds; undefined: there is none.
 *
 * Exponential backoff with full jitter, as in "Exponential Backoff And Jitter" (AWS Architecture Blog): the wait is drawn
 * between nothing and the cap, so that runs which failed together do not come back together.
 *
 * What was interrupted was no fault of the target's: it is made again at once, whatever the policy says.
 *
 * @param failures attempts that have failed, this one included
 * @param random from 0 to 1
 */
export function retryDelayMs(
  policy: RetryPolicy | null,
  attempt: FailedAttempt,
  failures: number,
  random: number,
): number | undefined {
  if (attempt.failure === "INTERRUPTED") return 0;
  if (failures >= (policy?.maxAttempts ?? TARGET_MAX_ATTEMPTS) || !isRetried(policy, attempt)) return undefined;
  const initialMs = policy?.initialBackoffMs ?? INITIAL_BACKOFF_MS;
  const capMs = policy?.maxBackoffMs ?? MAX_BACKOFF_MS;
  const longestMs = Math.min(capMs, initialMs * (policy?.multiplier ?? MULTIPLIER) ** (failures - 1));
  return Math.round(Math.max(random * longestMs, Math.min(attempt.retryAfterMs, MAX_RETRY_AFTER_MS)));
}

function isRetried(policy: RetryPolicy | null, { failure, httpStatus }: FailedAttempt): boolean {
  // It is gone for good, whatever the policy says, and though the answer may have broken off after that.
  if (httpStatus === GONE) return false;
  switch (failure) {
    case "BLOCKED":
      return false;
    case "RESPONSE": {
      const statuses = policy?.retryStatuses ?? [];
      return statuses.length === 0 ? isRetriedByDefault(httpStatus) : statuses.includes(httpStatus);
    }
    default:
      return true;
  }
}

/** The target says that it will never answer again. */
export const GONE = 410;

/** Request Timeout, Misdirected Request, Too Early, Too Many Requests. */
const RETRIED_STATUSES: ReadonlySet<number> = new Set([408, 421, 425, 429]);

/** A status above 599 counts as a server's fault too (RFC 9110, section 15). */
function isRetriedByDefault(httpStatus: number): boolean {
  return RETRIED_STATUSES.has(httpStatus) || httpStatus >= 500;
}
