import type { ReadRow, Recurrence, RetryPolicy, TaskState, Webhook } from "@taskscheduler/domain";
import { formatTarget } from "../targets/stored-target.js";

/** A row of `tasks`. */
export interface TaskRow extends ReadRow {
  readonly id: number;
  readonly name: string;
  readonly scheduledTimeMs: number;
  /** null: once, and said so by leaving it out. */
  readonly recurrence: Recurrence | null;
  readonly timeZone: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What it calls; null: nothing, it is a reminder. */
  readonly webhook: Webhook | null;
  /** null: the default. */
  readonly retryPolicy: RetryPolicy | null;
  /** Of an attempt; 0: the default. */
  readonly timeoutMs: number;
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

/** What claims and reports move. */
export type MovedTask = Pick<TaskRow, "id" | "state" | "nextRunTimeMs" | "runCount" | "lastRunTimeMs">;

/** What claims and reports are judged by: a task without what makes it large. */
export interface TaskCursor
  extends ReadRow,
    MovedTask,
    Pick<
      TaskRow,
      "name" | "scheduledTimeMs" | "recurrence" | "timeZone" | "armedTimeMs" | "retryPolicy" | "timeoutMs"
    > {
  /** How large its webhook is in the table; 0: there is none, it is a reminder. */
  readonly webhookBytes: number;
}

export function cursorOfTask(row: TaskRow): TaskCursor {
  return { ...row, webhookBytes: formatTarget(row).webhook.length };
}
