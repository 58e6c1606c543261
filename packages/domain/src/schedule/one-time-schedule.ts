import { MAX_TIME_MS, MIN_TIME_MS } from "../time/time-range.js";
import type { TimeZone } from "../time/time-zone.js";
import { describeRecurrence } from "./recurrence-description.js";
import type { Schedule } from "./schedule.js";
import type { ScheduleFields } from "./schedule-fields.js";

/** The kind of schedule with a single occurrence: the scheduled time, which is an instant and needs no calendar. */
export function createOneTimeSchedule(fields: ScheduleFields, zone: TimeZone): Schedule {
  const { scheduledTimeMs: timeMs, timeZone } = fields;
  const isInRange = timeMs >= MIN_TIME_MS && timeMs <= MAX_TIME_MS;
  const occurrence = isInRange ? { timeMs, dstAdjusted: false } : undefined;
  return {
    first: () => occurrence,
    next: (afterMs) => (timeMs > afterMs ? occurrence : undefined),
    latest: (notAfterMs) => (timeMs <= notAfterMs ? occurrence : undefined),
    count: (fromMs, untilMs) => ({ count: isInRange && fromMs <= timeMs && timeMs <= untilMs ? 1 : 0, exact: true }),
    describe: () => describeRecurrence("ONCE", timeMs + zone.offsetMsAt(timeMs), timeZone),
  };
}
