import { findTimeZone } from "../time/time-zone.js";
import { createFixedStepSchedule } from "./fixed-step-schedule.js";
import { createOneTimeSchedule } from "./one-time-schedule.js";
import { RECURRENCES } from "./recurrence.js";
import type { Schedule } from "./schedule.js";
import { ScheduleFault } from "./schedule-fault.js";
import type { ScheduleFields } from "./schedule-fields.js";

/**
 * Compiles the schedule of a task. This is the only place that knows the kinds of schedule.
 *
 * Every claim compiles its task's schedule anew. There is no cache, because the kinds below have no text to parse: to
 * create one takes less time than to look one up.
 *
 * @throws ScheduleFault when a field is not as {@link ScheduleFields} says
 */
export function compileSchedule(fields: ScheduleFields): Schedule {
  const { scheduledTimeMs, recurrence, timeZone } = fields;
  if (!Number.isFinite(scheduledTimeMs)) throw new ScheduleFault("scheduled_time", "must be an instant");
  const zone = findTimeZone(timeZone);
  if (zone === undefined) {
    throw new ScheduleFault(
      "time_zone",
      "must be an IANA time zone such as Europe/Berlin, or an offset such as +05:30",
    );
  }
  switch (recurrence) {
    case null:
    case "ONCE":
      return createOneTimeSchedule(fields, zone);
    case "DAILY":
    case "WEEKLY":
    case "BIWEEKLY":
    case "MONTHLY":
    case "QUARTERLY":
    case "YEARLY":
      return createFixedStepSchedule(fields, recurrence, zone);
    default:
      // A row that was written past the API can hold anything.
      throw new ScheduleFault("recurrence", `must be one of ${RECURRENCES.join(", ")}`);
  }
}
