import type { Recurrence as DomainRecurrence, ExecutionRow } from "@taskscheduler/domain";
import {
  DstPolicy,
  MisfirePolicy,
  OverlapPolicy,
  Recurrence,
  type Task,
  type TaskChange,
  TaskChangeKind,
  TaskState,
} from "@taskscheduler/proto";
import { executionToProto } from "../executions/execution-mapper.js";
import { optionalDuration, retryPolicyToProto, webhookToProto } from "../targets/target-mapper.js";
import { toOptionalTimestamp, toTimestamp } from "../timestamps.js";
import type { StagedTaskChange } from "../writes/write-stage.js";
import type { TaskRow } from "./task-row.js";

/** A literal: `create` takes ten times as long, and whoever leaves out a field is told so by the compiler. */
export function taskToProto(row: TaskRow, lastExecution?: ExecutionRow): Task {
  const task = wholeTaskToProto(row, lastExecution);
  return row.damaged === undefined ? task : withoutDamage(task, row.damaged);
}

/** Fields that have no value of their own for "not known" are left out. */
function withoutDamage(task: Task, damaged: readonly string[]): Task {
  const left = { ...task };
  if (damaged.includes("scheduledTimeMs")) delete left.scheduledTime;
  if (damaged.includes("createTimeMs")) delete left.createTime;
  if (damaged.includes("updateTimeMs")) delete left.updateTime;
  if (damaged.includes("state")) left.state = TaskState.UNSPECIFIED;
  return left;
}

function wholeTaskToProto(row: TaskRow, lastExecution: ExecutionRow | undefined): Task {
  return {
    $typeName: "taskscheduler.v1.Task",
    id: row.id,
    name: row.name,
    scheduledTime: toTimestamp(row.scheduledTimeMs),
    recurrence: row.recurrence === null ? Recurrence.UNSPECIFIED : Recurrence[row.recurrence],
    timeZone: row.timeZone,
    labels: { ...row.labels },
    description: row.description,
    state: TaskState[row.state],
    pauseReason: row.pauseReason,
    nextRunTime: row.state === "ACTIVE" ? toOptionalTimestamp(row.nextRunTimeMs) : undefined,
    runCount: row.runCount,
    lastExecution: lastExecution === undefined ? undefined : executionToProto(lastExecution),
    etag: etagOf(row),
    createTime: toTimestamp(row.createTimeMs),
    updateTime: toTimestamp(row.updateTimeMs),
    webhook: row.webhook === null ? undefined : webhookToProto(row.webhook),
    retryPolicy: row.retryPolicy === null ? undefined : retryPolicyToProto(row.retryPolicy),
    timeout: row.timeoutMs === 0 ? undefined : optionalDuration(row.timeoutMs),
    // Not supported yet.
    cron: "",
    rrule: "",
    dstPolicy: DstPolicy.UNSPECIFIED,
    misfirePolicy: MisfirePolicy.UNSPECIFIED,
    overlapPolicy: OverlapPolicy.UNSPECIFIED,
    maxRuns: 0,
  };
}

export function etagOf(row: TaskRow): string {
  return `${row.id}-${row.version}`;
}

/** @param task as the change has left it */
export function taskChange(change: StagedTaskChange, task: Task): TaskChange {
  return {
    $typeName: "taskscheduler.v1.TaskChange",
    task,
    kind: TaskChangeKind[change.kind],
    previousLabels: change.kind === "UPDATED" ? { ...change.previous.labels } : {},
  };
}

/** null for a recurrence that is left out. */
export function recurrenceName(recurrence: Recurrence): DomainRecurrence | null {
  if (recurrence === Recurrence.UNSPECIFIED) return null;
  return Recurrence[recurrence] as DomainRecurrence;
}
