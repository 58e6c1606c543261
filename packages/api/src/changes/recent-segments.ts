import type { ChangeEvent, ChangeSegment } from "./change-event.js";

/** Of segments: their events, and the bytes of their payloads; whichever is reached first. */
export interface SegmentBounds {
  readonly events: number;
  readonly bytes: number;
}

/** The newest segments of the log without a gap, decoded, for the readers that keep up. */
export interface RecentSegments {
  /** A segment that follows the last one. */
  push(segment: ChangeSegment): void;
  /** Some of the events after a revision. Undefined: what follows it is not held, or no longer. */
  after(revision: number): readonly ChangeEvent[] | undefined;
  clear(): void;
}

/**
 * @param kept beyond this the oldest are dropped
 * @param read what a reader is given, and so holds, at a time: segments until this is reached, at least one
 */
export function createRecentSegments(kept: SegmentBounds, read: SegmentBounds): RecentSegments {
  let segments: ChangeSegment[] = [];
  let events = 0;
  let bytes = 0;

  /** The index of the first segment that ends after the revision. */
  function indexAfter(revision: number): number {
    let low = 0;
    let high = segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((segments[middle]?.revision ?? 0) > revision) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  return {
    push(segment) {
      segments.push(segment);
      events += segment.events.length;
      bytes += segment.bytes;
      while (events > kept.events || bytes > kept.bytes) {
        const oldest = segments.shift();
        if (oldest === undefined) break;
        events -= oldest.events.length;
        bytes -= oldest.bytes;
      }
    },
    after(revision) {
      let index = indexAfter(revision);
      const first = segments[index];
      if (first === undefined || first.firstRevision > revision + 1) return undefined;
      const found = first.events.slice(revision + 1 - first.firstRevision);
      let foundBytes = first.bytes;
      while (found.length < read.events && foundBytes < read.bytes) {
        index += 1;
        const next = segments[index];
        if (next === undefined) break;
        found.push(...next.events);
        foundBytes += next.bytes;
      }
      return found;
    },
    clear() {
      segments = [];
      events = 0;
      bytes = 0;
    },
  };
}
