import type { Duration } from "@bufbuild/protobuf/wkt";
import { type FieldViolation, fieldErrors, MAX_TIME_MS, MIN_TIME_MS } from "@taskscheduler/domain";
import type { SummarizeExecutionsRequest } from "@taskscheduler/proto";
import { readBound } from "../timestamps.js";
import { SLOT_MS } from "./execution-stats.js";

const DAY_MS = 24 * 60 * 60 * 1000;
/** Of one task its own rows are counted, of all what is added up for each slot. */
const TASK_RESOLUTION_MS = 1_000;
/** A bucket has up to some hundred counts of its own to be read. */
const MAX_BUCKETS = 1_000;

/** What is summarised: whole buckets from the beginning on, of which the last may be cut short. */
export interface SummaryInterval {
  /** Undefined: of all. */
  readonly taskId: number | undefined;
  readonly startMs: number;
  /** The first instant that is no longer within. */
  readonly endMs: number;
  readonly bucketMs: number;
}

/** Throws ServiceError with every violation. */
export function readSummaryInterval(request: SummarizeExecutionsRequest, nowMs: number): SummaryInterval {
  const violations: FieldViolation[] = [];
  const taskId = request.taskId === 0 ? undefined : request.taskId;
  const resolutionMs = taskId === undefined ? SLOT_MS : TASK_RESOLUTION_MS;
  const { scheduledAfter: after, scheduledBefore: before } = request;
  const beforeMs = before === undefined ? nowMs : readBound(before, "scheduled_before", violations, "earlier");
  const afterMs =
    after === undefined
      ? Math.max(beforeMs - DAY_MS, MIN_TIME_MS)
      : readBound(after, "scheduled_after", violations, "later");
  if (violations.length === 0 && afterMs >= beforeMs) violations.push(notInOrder(before === undefined));
  const startMs = Math.floor(afterMs / resolutionMs) * resolutionMs;
  const endMs = Math.ceil(beforeMs / resolutionMs) * resolutionMs;
  const wholeMs = endMs - startMs;
  const bucketMs = request.bucket === undefined ? wholeMs : readBucket(request.bucket, resolutionMs, violations);
  if (violations.length === 0 && Math.ceil(wholeMs / bucketMs) > MAX_BUCKETS) {
    const description = `makes ${Math.ceil(wholeMs / bucketMs)} buckets of the interval; at most ${MAX_BUCKETS}`;
    violations.push({ field: "bucket", description });
  }
  const error = fieldErrors(violations);
  if (error !== undefined) throw error;
  return { taskId, startMs, endMs, bucketMs: Math.min(bucketMs, wholeMs) };
}

export function bucketCount({ startMs, endMs, bucketMs }: SummaryInterval): number {
  return Math.ceil((endMs - startMs) / bucketMs);
}

/** The end, as it can be told: the years end a millisecond before that of the last bucket. */
export function bucketTimesMs(interval: SummaryInterval, bucket: number): { startMs: number; endMs: number } {
  const startMs = interval.startMs + bucket * interval.bucketMs;
  return { startMs, endMs: Math.min(startMs + interval.bucketMs, interval.endMs, MAX_TIME_MS) };
}

function readBucket({ seconds, nanos }: Duration, resolutionMs: number, violations: FieldViolation[]): number {
  const bucketMs = Number(seconds) * 1_000;
  if (bucketMs > 0 && nanos === 0 && bucketMs % resolutionMs === 0) return bucketMs;
  const unit = resolutionMs === SLOT_MS ? "5 minutes" : "a second";
  violations.push({ field: "bucket", description: `must be a multiple of ${unit}, and more than 0` });
  return resolutionMs;
}

function notInOrder(isUntilNow: boolean): FieldViolation {
  return isUntilNow
    ? { field: "scheduled_after", description: "must be earlier than now where scheduled_before is not set" }
    : { field: "scheduled_before", description: "must be later than scheduled_after" };
}
