import { formatLocalTime } from "../time/local-time.js";
import { compileSchedule } from "./compile-schedule.js";
import { listOccurrences, type Occurrence } from "./schedule.js";
import type { ScheduleFields } from "./schedule-fields.js";

/** An occurrence with its local time, as a preview shows it. */
export interface ShownOccurrence extends Occurrence {
  readonly localTime: string;
}

/** The first `limit` occurrences strictly later than `afterMs`, as a preview shows them. */
export function showOccurrences(fields: ScheduleFields, afterMs: number, limit: number): ShownOccurrence[] {
  return listOccurrences(compileSchedule(fields), afterMs, limit).map((occurrence) => ({
    ...occurrence,
    localTime: formatLocalTime(occurrence.timeMs, fields.timeZone),
  }));
}

/** Everything that a user sees of a schedule: its words and its first 40 occurrences. */
export function toTranscript(fields: ScheduleFields): [description: string, occurrences: ShownOccurrence[]] {
  return [compileSchedule(fields).describe(), showOccurrences(fields, Number.NEGATIVE_INFINITY, 40)];
}
