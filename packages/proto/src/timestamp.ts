import type { Timestamp } from "@bufbuild/protobuf/wkt";

const MS_PER_SECOND = 1_000;
const NANOS_PER_MS = 1_000_000;

/** Epoch milliseconds, whole ones, as a message. A literal: every row that is answered has several of them. */
export function toTimestamp(timeMs: number): Timestamp {
  const seconds = Math.floor(timeMs / MS_PER_SECOND);
  const nanos = (timeMs - seconds * MS_PER_SECOND) * NANOS_PER_MS;
  return { $typeName: "google.protobuf.Timestamp", seconds: BigInt(seconds), nanos };
}

/** undefined, as a field that is not set has it, for null, as a row has it. */
export function toOptionalTimestamp(timeMs: number | null): Timestamp | undefined {
  return timeMs === null ? undefined : toTimestamp(timeMs);
}
