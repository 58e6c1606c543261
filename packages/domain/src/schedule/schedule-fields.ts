import type { Recurrence } from "./recurrence.js";

/**
 * The fields of a task that make its schedule. A row, an edit and a preview all have them, so each can be compiled as
 * it stands. A further kind of schedule adds its field here, to {@link isSameSchedule} and to `compileSchedule`.
 */
export interface ScheduleFields {
  readonly scheduledTimeMs: number;
  /** null means once, as `ONCE` does. */
  readonly recurrence: Recurrence | null;
  /** A canonical id, as `parseTimeZone` answers. */
  readonly timeZone: string;
}

/** Whether two tasks have the same schedule, so that an edit from one to the other moves no occurrence. */
export function isSameSchedule(a: ScheduleFields, b: ScheduleFields): boolean {
  return (
    a.scheduledTimeMs === b.scheduledTimeMs &&
    (a.recurrence ?? "ONCE") === (b.recurrence ?? "ONCE") &&
    a.timeZone === b.timeZone
  );
}
