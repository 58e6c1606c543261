import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  type ExecutionChange,
  ExecutionChangeSchema,
  ExecutionChangesSchema,
  type TaskChange,
  TaskChangeSchema,
  TaskChangesSchema,
} from "@taskscheduler/proto";

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
/** At most, of a change within a segment: a tag and a length. */
const FRAME_BYTES = 6;

export function encodeTaskChanges(changes: readonly TaskChange[]): NewSegment[] {
  const { number } = TaskChangesSchema.field.changes;
  return inSegments(changes, number, TaskChangeSchema).map((part) => ({ kind: "TASK", ...part }));
}

export function encodeExecutionChanges(changes: readonly ExecutionChange[]): NewSegment[] {
  const { number } = ExecutionChangesSchema.field.changes;
  return inSegments(changes, number, ExecutionChangeSchema).map((part) => ({ kind: "EXECUTION", ...part }));
}

/**
 * Each change is encoded once, and put into the segment that is begun, or into a new one where that would grow too large.
 *
 * @param field the number of the repeated field that holds the changes
 */
function inSegments<D extends DescMessage>(changes: readonly MessageShape<D>[], field: number, schema: D) {
  const segments: { changes: MessageShape<D>[]; payload: Uint8Array }[] = [];
  let begun: MessageShape<D>[] = [];
  let writer = new BinaryWriter();
  let bytes = 0;
  const end = (): void => {
    if (begun.length > 0) segments.push({ changes: begun, payload: writer.finish() });
    begun = [];
    writer = new BinaryWriter();
    bytes = 0;
  };
  for (const change of changes) {
    const encoded = toBinary(schema, change);
    if (bytes + encoded.length + FRAME_BYTES > SEGMENT_BYTES) end();
    writer.tag(field, WireType.LengthDelimited).bytes(encoded);
    begun.push(change);
    bytes += encoded.length + FRAME_BYTES;
  }
  end();
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
