import type { Recurrence, Schedule, TaskState } from "@taskscheduler/domain";

/** A row of `tasks`. */
export interface TaskRow {
  readonly id: number;
  readonly name: string;
  readonly scheduledTimeMs: number;
  /** null: once, and said so by leaving it out. */
  readonly recurrence: Recurrence | null;
  readonly timeZone: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: TaskState;
  readonly pauseReason: string;
  /** The cursor: the first occurrence that is neither claimed nor settled. Kept while paused; null after the last. */
  readonly nextRunTimeMs: number | null;
  /** When a user's change set the cursor: nothing before it can have been missed. */
  readonly armedTimeMs: number;
  readonly runCount: number;
  /** The scheduled time of the execution that ran to an end last. */
  readonly lastRunTimeMs: number | null;
  /** Rises with each change that a user makes; the etag. */
  readonly version: number;
  readonly createTimeMs: number;
  readonly updateTimeMs: number;
}

export function scheduleOf(row: Pick<TaskRow, "scheduledTimeMs" | "recurrence" | "timeZone">): Schedule {
  return { scheduledTimeMs: row.scheduledTimeMs, recurrence: row.recurrence ?? "ONCE", timeZone: row.timeZone };
}
