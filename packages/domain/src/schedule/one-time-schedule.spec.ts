import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { MAX_TIME_MS, MIN_TIME_MS } from "../time/time-range.js";
import { compileSchedule } from "./compile-schedule.js";
import { describeScheduleConformance } from "./schedule-conformance.fixture.js";
import type { ScheduleFields } from "./schedule-fields.js";

const DAY_MS = 86_400_000;

const times: fc.Arbitrary<ScheduleFields> = fc.record({
  scheduledTimeMs: fc.oneof(
    fc.integer({ min: MIN_TIME_MS, max: MAX_TIME_MS }),
    fc.constantFrom(MIN_TIME_MS - 1, MIN_TIME_MS, MAX_TIME_MS, MAX_TIME_MS + 1),
  ),
  recurrence: fc.constantFrom("ONCE", null),
  timeZone: fc.constantFrom("UTC", "+05:30", "America/New_York", "Pacific/Apia"),
});

describeScheduleConformance("a single time", times);

test("the single time is an instant, in either pass of an overlap, and a task starts with it even years later", () => {
  for (const time of ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"]) {
    const timeMs = Date.parse(time);
    const schedule = compileSchedule({ scheduledTimeMs: timeMs, recurrence: null, timeZone: "America/New_York" });
    expect(schedule.next(0)).toEqual({ timeMs, dstAdjusted: false });
    expect(schedule.first(timeMs - 1)).toEqual({ timeMs, dstAdjusted: false });
    expect(schedule.first(timeMs + 1000 * DAY_MS)).toEqual({ timeMs, dstAdjusted: false });
    expect(schedule.count(timeMs, timeMs, 1)).toEqual({ count: 1, exact: true });
  }
});
