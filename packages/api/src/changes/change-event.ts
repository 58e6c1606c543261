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

/** Changes that follow each other; revisions `firstRevision` to `revision`, without a gap. */
export interface ChangeSegment {
  readonly firstRevision: number;
  readonly revision: number;
  readonly events: readonly ChangeEvent[];
  /** Of its payload: what it takes in the table, and about what it takes in memory if its resources are large. */
  readonly bytes: number;
}

/** Changes of one kind that a transaction is to append; they get their revisions when they are written. */
export type NewSegment =
  | { readonly kind: "TASK"; readonly changes: readonly TaskChange[]; readonly payload: Uint8Array }
  | { readonly kind: "EXECUTION"; readonly changes: readonly ExecutionChange[]; readonly payload: Uint8Array };

/**
 * Most transactions fit into one. Larger ones are split, so that what a reader holds is bounded by a number of segments;
 * a single change has at most 100 KiB or so.
 */
const SEGMENT_BYTES = 64 * 1024;

export function encodeTaskChanges(changes: readonly TaskChange[]): NewSegment[] {
  return encodeInParts(changes, (part) => ({
    kind: "TASK",
    changes: part,
    payload: toBinary(TaskChangesSchema, { $typeName: "taskscheduler.v1.TaskChanges", changes: [...part] }),
  }));
}

export function encodeExecutionChanges(changes: readonly ExecutionChange[]): NewSegment[] {
  return encodeInParts(changes, (part) => ({
    kind: "EXECUTION",
    changes: part,
    payload: toBinary(ExecutionChangesSchema, { $typeName: "taskscheduler.v1.ExecutionChanges", changes: [...part] }),
  }));
}

function encodeInParts<C>(changes: readonly C[], encode: (part: readonly C[]) => NewSegment): NewSegment[] {
  if (changes.length === 0) return [];
  const whole = encode(changes);
  const parts = Math.min(Math.ceil(whole.payload.length / SEGMENT_BYTES), changes.length);
  if (parts <= 1) return [whole];
  const size = Math.ceil(changes.length / parts);
  const segments: NewSegment[] = [];
  for (let from = 0; from < changes.length; from += size) {
    segments.push(...encodeInParts(changes.slice(from, from + size), encode));
  }
  return segments;
}

export function decodeSegment(firstRevision: number, kind: string, payload: Uint8Array): ChangeSegment {
  return kind === "TASK"
    ? segmentAt(firstRevision, { kind: "TASK", changes: fromBinary(TaskChangesSchema, payload).changes, payload })
    : segmentAt(firstRevision, {
        kind: "EXECUTION",
        changes: fromBinary(ExecutionChangesSchema, payload).changes,
        payload,
      });
}

/** The segment with the revisions that it was given. */
export function segmentAt(firstRevision: number, { kind, changes, payload }: NewSegment): ChangeSegment {
  const events: ChangeEvent[] =
    kind === "TASK"
      ? changes.map((change, index) => ({ kind, revision: firstRevision + index, change }))
      : changes.map((change, index) => ({ kind, revision: firstRevision + index, change }));
  return { firstRevision, revision: firstRevision + changes.length - 1, events, bytes: payload.length };
}
