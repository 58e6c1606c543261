import {
  type CreateTaskRequest,
  CreateTaskRequestSchema,
  DstPolicy,
  MisfirePolicy,
  OverlapPolicy,
  Recurrence,
  type Task,
  TaskSchema,
} from "@taskscheduler/proto";
import { type Shortcut, shortcut } from "../policies/request-validator.js";

const MAX = { name: 255, timeZone: 64, description: 4_096, etag: 64, labels: 64, labelKey: 63, labelValue: 255 };

/**
 * Most tasks break none of their proto's rules, which is seen here in a tenth of the time that the rules take. Lengths are
 * of UTF-16: never less than the characters that the rules count.
 */
function isPlainTask(task: Task): boolean {
  return (
    task.name.length <= MAX.name &&
    Recurrence[task.recurrence] !== undefined &&
    task.timeZone.length <= MAX.timeZone &&
    task.description.length <= MAX.description &&
    task.etag.length <= MAX.etag &&
    hasPlainLabels(task) &&
    hasNoMore(task)
  );
}

function hasPlainLabels({ labels }: Task): boolean {
  let count = 0;
  for (const key in labels) {
    count += 1;
    const value = labels[key] ?? "";
    if (key.length === 0 || key.length > MAX.labelKey || value.length > MAX.labelValue) return false;
  }
  return count <= MAX.labels;
}

/** What few tasks have, or is not served yet, or is output only, has rules of its own. */
function hasNoMore(task: Task): boolean {
  return (
    task.cron === "" &&
    task.rrule === "" &&
    task.dstPolicy === DstPolicy.UNSPECIFIED &&
    task.misfirePolicy === MisfirePolicy.UNSPECIFIED &&
    task.overlapPolicy === OverlapPolicy.UNSPECIFIED &&
    task.catchUpWindow === undefined &&
    task.endTime === undefined &&
    task.jitter === undefined &&
    task.webhook === undefined &&
    task.retryPolicy === undefined &&
    task.timeout === undefined &&
    task.lastExecution === undefined
  );
}

function isPlainCreate({ task, requestId }: CreateTaskRequest): boolean {
  return task !== undefined && requestId === "" && isPlainTask(task);
}

export const PLAIN_TASKS: readonly Shortcut[] = [
  shortcut(TaskSchema, isPlainTask),
  shortcut(CreateTaskRequestSchema, isPlainCreate),
];
