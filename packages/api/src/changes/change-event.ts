import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ExecutionChange, ExecutionChangesSchema, type TaskChange, TaskChangesSchema } from "@taskscheduler/proto";

/** One change at its place in the one order of all changes. Shared by all readers: nobody writes to it. */
export type ChangeEvent = TaskChangeEvent | ExecutionChangeEvent;

export interface TaskChangeEvent {
  readonly kind: "TASK";
  readonly revision: number;
  readonly change: TaskChange;
}

export interface ExecutionChangeEvent {
  readonly kind: "EXECUTION";
  readonly revision: number;
  readonly change: ExecutionChange;
}

/** What one transaction changed of one kind; revisions `firstRevision` to `revision`, without a gap. */
export interface ChangeSegment {
  readonly firstRevision: number;
  readonly revision: number;
  readonly events: readonly ChangeEvent[];
}

export function encodeTaskChanges(changes: readonly TaskChange[]): Uint8Array {
  return toBinary(TaskChangesSchema, { $typeName: "taskscheduler.v1.TaskChanges", changes: [...changes] });
}

export function encodeExecutionChanges(changes: readonly ExecutionChange[]): Uint8Array {
  return toBinary(ExecutionChangesSchema, { $typeName: "taskscheduler.v1.ExecutionChanges", changes: [...changes] });
}

export function taskSegment(firstRevision: number, changes: readonly TaskChange[]): ChangeSegment {
  const events = changes.map(
    (change, index): TaskChangeEvent => ({ kind: "TASK", revision: firstRevision + index, change }),
  );
  return { firstRevision, revision: firstRevision + changes.length - 1, events };
}

export function executionSegment(firstRevision: number, changes: readonly ExecutionChange[]): ChangeSegment {
  const events = changes.map(
    (change, index): ExecutionChangeEvent => ({ kind: "EXECUTION", revision: firstRevision + index, change }),
  );
  return { firstRevision, revision: firstRevision + changes.length - 1, events };
}

export function decodeSegment(firstRevision: number, kind: string, payload: Uint8Array): ChangeSegment {
  return kind === "TASK"
    ? taskSegment(firstRevision, fromBinary(TaskChangesSchema, payload).changes)
    : executionSegment(firstRevision, fromBinary(ExecutionChangesSchema, payload).changes);
}
