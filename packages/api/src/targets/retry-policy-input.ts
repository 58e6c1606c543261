import type { Duration } from "@bufbuild/protobuf/wkt";
import { type FieldViolation, GONE, type RetryPolicy } from "@taskscheduler/domain";
import type { RetryPolicy as RetryPolicyMessage } from "@taskscheduler/proto";

const HOUR_MS = 60 * 60_000;
const MAX_BACKOFF_MS = 24 * HOUR_MS;
const MAX_TIMEOUT_MS = HOUR_MS;
const MAX_MULTIPLIER = 10;
const MS_PER_SECOND = 1_000;
const NANOS_PER_MS = 1_000_000;

/** Reads what users set; the proto's rules have been checked. Null: nothing is set. */
export function readRetryPolicy(
  message: RetryPolicyMessage | undefined,
  path: string,
  violations: FieldViolation[],
): RetryPolicy | null {
  if (message === undefined) return null;
  const { maxAttempts, initialBackoff, maxBackoff, multiplier, retryStatuses } = message;
  const backoff = (duration: Duration | undefined, field: string) =>
    readDuration(duration, `${path}.${field}`, { maxMs: MAX_BACKOFF_MS, maxText: "1 day" }, violations);
  // NaN is neither.
  if (multiplier !== 0 && !(multiplier >= 1 && multiplier <= MAX_MULTIPLIER)) {
    violations.push({ field: `${path}.multiplier`, description: `must be from 1 to ${MAX_MULTIPLIER}` });
  }
  if (retryStatuses.includes(GONE)) {
    const description = `must not have ${GONE}, which says that the target will never answer again, and pauses the task`;
    violations.push({ field: `${path}.retry_statuses`, description });
  }
  return {
    maxAttempts: maxAttempts === 0 ? null : maxAttempts,
    initialBackoffMs: backoff(initialBackoff, "initial_backoff"),
    maxBackoffMs: backoff(maxBackoff, "max_backoff"),
    multiplier: multiplier === 0 ? null : multiplier,
    retryStatuses: [...new Set(retryStatuses)],
  };
}

/** 0: not set. */
export function readTimeout(timeout: Duration | undefined, field: string, violations: FieldViolation[]): number {
  return readDuration(timeout, field, { maxMs: MAX_TIMEOUT_MS, maxText: "1 hour" }, violations) ?? 0;
}

/** Kept to the millisecond; finer is rounded up. Null: not set. */
function readDuration(
  duration: Duration | undefined,
  field: string,
  { maxMs, maxText }: { readonly maxMs: number; readonly maxText: string },
  violations: FieldViolation[],
): number | null {
  if (duration === undefined) return null;
  const ms = Number(duration.seconds) * MS_PER_SECOND + Math.ceil(duration.nanos / NANOS_PER_MS);
  if (ms >= 1 && ms <= maxMs) return ms;
  violations.push({ field, description: `must be from 1 millisecond to ${maxText}` });
  return null;
}
