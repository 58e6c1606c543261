import { compileSchedule } from "./compile-schedule.js";
import type { Schedule } from "./schedule.js";
import type { ScheduleFields } from "./schedule-fields.js";

/** A row of the database, some of whose values somebody may have written past the API. */
export interface ReadRow {
  /** The fields whose stored values cannot be read, and are replaced. Absent: none. */
  readonly damaged?: readonly string[];
}

const FIELDS: readonly string[] = ["scheduledTimeMs", "recurrence", "timeZone"] satisfies (keyof ScheduleFields)[];

/** Compiles a stored schedule. Undefined: one of its fields is damaged, and nobody knows when the task is due. */
export function compileReadableSchedule(row: ScheduleFields & ReadRow): Schedule | undefined {
  return row.damaged?.some((field) => FIELDS.includes(field)) ? undefined : compileSchedule(row);
}
