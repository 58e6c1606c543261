/** A field of {@link ScheduleFields} by its name in the API. */
export type ScheduleField = "scheduled_time" | "recurrence" | "time_zone";

/**
 * Says which field of a schedule cannot be compiled, and what would be right. It has the shape of a violation in the
 * API. A fault in a caller's input answers the call, with the path of the message in front of the field. A fault in a
 * stored row is a defect: the row was written past the API, and the fault goes to the log.
 */
export class ScheduleFault extends RangeError {
  readonly field: ScheduleField;
  /** The right value in words: `must be …`. */
  readonly description: string;

  constructor(field: ScheduleField, description: string) {
    super(`${field}: ${description}`);
    this.name = "ScheduleFault";
    this.field = field;
    this.description = description;
  }
}
