import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type FieldViolation, MAX_TIME_MS, MIN_TIME_MS } from "@taskscheduler/domain";

const MS_PER_SECOND = 1_000;
const NANOS_PER_MS = 1_000_000;
const MAX_NANOS = 999_999_999;
const OUT_OF_YEARS = "must lie within the years 1 to 9999";

/** Epoch milliseconds, whole ones, as a message. A literal: every row that is answered has several of them. */
export function toTimestamp(timeMs: number): Timestamp {
  const seconds = Math.floor(timeMs / MS_PER_SECOND);
  const nanos = (timeMs - seconds * MS_PER_SECOND) * NANOS_PER_MS;
  return { $typeName: "google.protobuf.Timestamp", seconds: BigInt(seconds), nanos };
}

/** undefined, as a field that is not set has it, for null, as a row has it. */
export function toOptionalTimestamp(timeMs: number | null): Timestamp | undefined {
  return timeMs === null ? undefined : toTimestamp(timeMs);
}

/** Kept to the millisecond; finer is rounded up. */
export function readInstant(time: Timestamp | undefined, field: string, violations: FieldViolation[]): number {
  if (time === undefined) {
    violations.push({ field, description: "must be set" });
    return 0;
  }
  checkNanos(time, field, violations);
  const secondMs = Number(time.seconds) * MS_PER_SECOND;
  const timeMs = secondMs + Math.ceil(time.nanos / NANOS_PER_MS);
  if (secondMs >= MIN_TIME_MS && timeMs <= MAX_TIME_MS) return timeMs;
  violations.push({ field, description: OUT_OF_YEARS });
  return 0;
}

/**
 * A bound that times of whole milliseconds are compared with: finer is rounded down for those that must be later, up for
 * those that must be earlier, so that the same ones are.
 */
export function readBound(
  time: Timestamp,
  field: string,
  violations: FieldViolation[],
  wanted: "later" | "earlier" = "later",
): number {
  checkNanos(time, field, violations);
  const secondMs = Number(time.seconds) * MS_PER_SECOND;
  if (secondMs < MIN_TIME_MS || secondMs > MAX_TIME_MS) {
    violations.push({ field, description: OUT_OF_YEARS });
    return 0;
  }
  const round = wanted === "later" ? Math.floor : Math.ceil;
  return Math.min(secondMs + round(time.nanos / NANOS_PER_MS), MAX_TIME_MS);
}

function checkNanos(time: Timestamp, field: string, violations: FieldViolation[]): void {
  if (time.nanos < 0 || time.nanos > MAX_NANOS) {
    violations.push({ field, description: "nanos must be from 0 to 999999999" });
  }
}
