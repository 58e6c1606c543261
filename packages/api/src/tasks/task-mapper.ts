import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Recurrence as DomainRecurrence } from "@taskscheduler/domain";
import {
  Recurrence,
  type Task,
  type TaskChange,
  TaskChangeKind,
  TaskChangeSchema,
  TaskSchema,
  TaskState,
} from "@taskscheduler/proto";
import { executionToProto, timestampField } from "../executions/execution-mapper.js";
import type { ExecutionRow } from "../executions/execution-row.js";
import type { StagedTaskChange } from "../writes/write-stage.js";
import type { TaskRow } from "./task-row.js";

export function taskToProto(row: TaskRow, lastExecution?: ExecutionRow): Task {
  return create(TaskSchema, {
    id: row.id,
    name: row.name,
    scheduledTime: timestampFromMs(row.scheduledTimeMs),
    recurrence: row.recurrence === null ? Recurrence.UNSPECIFIED : Recurrence[row.recurrence],
    timeZone: row.timeZone,
    labels: { ...row.labels },
    description: row.description,
    state: TaskState[row.state],
    pauseReason: row.pauseReason,
    runCount: row.runCount,
    etag: etagOf(row),
    createTime: timestampFromMs(row.createTimeMs),
    updateTime: timestampFromMs(row.updateTimeMs),
    ...timestampField("nextRunTime", row.state === "ACTIVE" ? row.nextRunTimeMs : null),
    ...(lastExecution === undefined ? {} : { lastExecution: executionToProto(lastExecution) }),
  });
}

export function etagOf(row: TaskRow): string {
  return `${row.id}-${row.version}`;
}

/** @param task as the change has left it */
export function taskChange(change: StagedTaskChange, task: Task): TaskChange {
  return create(TaskChangeSchema, {
    task,
    kind: TaskChangeKind[change.kind],
    previousLabels: change.kind === "UPDATED" ? { ...change.previous.labels } : {},
  });
}

/** null for a recurrence that is left out. */
export function recurrenceName(recurrence: Recurrence): DomainRecurrence | null {
  if (recurrence === Recurrence.UNSPECIFIED) return null;
  return Recurrence[recurrence] as DomainRecurrence;
}
