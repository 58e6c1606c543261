import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type DurationSchema, durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { MAX_TIME_MS, MIN_TIME_MS } from "@taskscheduler/domain";
import { SummarizeExecutionsRequestSchema } from "@taskscheduler/proto";
import { bucketCount, bucketTimesMs, readSummaryInterval } from "./summary-interval.js";

const NOW_MS = Date.UTC(2026, 10, 27, 12, 7, 30, 500);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

interface Asked {
  readonly taskId?: number;
  readonly afterMs?: number;
  readonly beforeMs?: number;
  readonly bucketMs?: number;
  readonly bucket?: MessageInitShape<typeof DurationSchema>;
}

function read({ taskId = 0, afterMs, beforeMs, bucketMs, bucket }: Asked) {
  const request = create(SummarizeExecutionsRequestSchema, {
    taskId,
    ...(afterMs === undefined ? {} : { scheduledAfter: timestampFromMs(afterMs) }),
    ...(beforeMs === undefined ? {} : { scheduledBefore: timestampFromMs(beforeMs) }),
    ...(bucketMs === undefined ? {} : { bucket: durationFromMs(bucketMs) }),
    ...(bucket === undefined ? {} : { bucket }),
  });
  return readSummaryInterval(request, NOW_MS);
}

it("is by default the last day, rounded outward, in one bucket", () => {
  const fiveMinutesAfter = Date.UTC(2026, 10, 27, 12, 10);
  expect(read({})).toEqual({
    taskId: undefined,
    startMs: fiveMinutesAfter - DAY_MS - 5 * MINUTE_MS,
    endMs: fiveMinutesAfter,
    bucketMs: DAY_MS + 5 * MINUTE_MS,
  });
  const secondAfter = Date.UTC(2026, 10, 27, 12, 7, 31);
  expect(read({ taskId: 7 })).toMatchObject({ taskId: 7, startMs: secondAfter - DAY_MS - 1_000, endMs: secondAfter });
});

it("has buckets from its beginning on, of which the last is cut short", () => {
  const startMs = Date.UTC(2026, 10, 27, 9);
  const interval = read({ afterMs: startMs, beforeMs: startMs + 150 * MINUTE_MS, bucketMs: HOUR_MS });
  expect(bucketCount(interval)).toBe(3);
  expect(bucketTimesMs(interval, 0)).toEqual({ startMs, endMs: startMs + HOUR_MS });
  expect(bucketTimesMs(interval, 2)).toEqual({ startMs: startMs + 2 * HOUR_MS, endMs: startMs + 150 * MINUTE_MS });
});

it("may be all the years there are", () => {
  const interval = read({ afterMs: MIN_TIME_MS, beforeMs: MAX_TIME_MS });
  expect(interval.startMs).toBe(MIN_TIME_MS);
  expect(bucketTimesMs(interval, 0)).toEqual({ startMs: MIN_TIME_MS, endMs: MAX_TIME_MS });
  expect(read({ beforeMs: MIN_TIME_MS + 1 }).startMs).toBe(MIN_TIME_MS);
});

it("takes a bucket that is longer for one that is as long", () => {
  const longest = { seconds: 315_576_000_000n };
  expect(read({ bucket: longest })).toEqual(read({}));
  expect(read({ bucketMs: 30 * DAY_MS })).toEqual(read({}));
});

it.each<[string, Asked, string]>([
  ["ends where it begins", { afterMs: NOW_MS, beforeMs: NOW_MS }, "scheduled_before"],
  ["ends before it begins", { afterMs: NOW_MS, beforeMs: NOW_MS - 1 }, "scheduled_before"],
  ["begins when it has not begun", { afterMs: NOW_MS + 1 }, "scheduled_after"],
  ["begins before all years", { afterMs: MIN_TIME_MS - 1 }, "scheduled_after"],
  ["has a bucket of none", { bucket: {} }, "bucket"],
  ["has a bucket that goes backward", { bucketMs: -5 * MINUTE_MS }, "bucket"],
  ["has a bucket finer than its counts", { bucketMs: MINUTE_MS }, "bucket"],
  ["has a bucket that is no multiple", { bucketMs: 7 * MINUTE_MS }, "bucket"],
  ["has a bucket with a fraction", { bucket: { seconds: 300n, nanos: 1 } }, "bucket"],
  ["has a bucket with a fraction, of a task", { taskId: 1, bucket: { nanos: 500_000_000 } }, "bucket"],
  ["has too many buckets", { afterMs: NOW_MS - 1_001 * HOUR_MS, bucketMs: HOUR_MS }, "bucket"],
  ["has too many buckets, of a task", { taskId: 1, bucketMs: MINUTE_MS }, "bucket"],
])("is refused where it %s", (_, asked, field) => {
  expect(() => read(asked)).toThrow(expect.objectContaining({ violations: [expect.objectContaining({ field })] }));
});

it("takes a thousand buckets", () => {
  expect(bucketCount(read({ afterMs: NOW_MS - 999.5 * HOUR_MS, bucketMs: HOUR_MS }))).toBe(1_000);
});
