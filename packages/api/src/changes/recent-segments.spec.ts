import { create } from "@bufbuild/protobuf";
import { TaskChangeSchema } from "@taskscheduler/proto";
import { type ChangeSegment, segmentAt } from "./change-event.js";
import { createRecentSegments } from "./recent-segments.js";

function segment(firstRevision: number, count: number, bytes = 10): ChangeSegment {
  const changes = Array.from({ length: count }, () => create(TaskChangeSchema));
  return segmentAt(firstRevision, { kind: "TASK", changes, payload: new Uint8Array(bytes) });
}

const many = { events: 1_000, bytes: 1_000_000 };

function recentOf(counts: readonly number[], kept = many, read = many) {
  const recent = createRecentSegments(kept, read);
  let next = 1;
  for (const count of counts) {
    recent.push(segment(next, count));
    next += count;
  }
  return (revision: number) => recent.after(revision)?.map((event) => event.revision);
}

describe("recent segments", () => {
  it("give what follows a revision, also from amid a segment", () => {
    const after = recentOf([2, 3, 1]);
    expect([0, 1, 2, 4, 5].map(after)).toEqual([[1, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6], [3, 4, 5, 6], [5, 6], [6]]);
  });

  it("have nothing after the last, nor before the first that is held", () => {
    expect(recentOf([2, 3])(5)).toBeUndefined();
    expect(recentOf([])(0)).toBeUndefined();
    const recent = createRecentSegments(many, many);
    recent.push(segment(11, 2));
    expect(recent.after(9)).toBeUndefined();
    expect(recent.after(10)).toHaveLength(2);
    recent.clear();
    expect(recent.after(10)).toBeUndefined();
  });

  it("drop the oldest beyond a number of events, or of bytes", () => {
    const byEvents = recentOf([2, 2, 2, 2], { ...many, events: 5 });
    expect([3, 4].map(byEvents)).toEqual([undefined, [5, 6, 7, 8]]);
    const byBytes = recentOf([2, 2, 2, 2], { ...many, bytes: 29 });
    expect([3, 4].map(byBytes)).toEqual([undefined, [5, 6, 7, 8]]);
    const tooLarge = recentOf([2], { ...many, bytes: 9 });
    expect(tooLarge(0)).toBeUndefined();
  });

  it("give a reader a bounded piece, at least a segment", () => {
    const byEvents = recentOf([2, 2, 2, 2], many, { ...many, events: 3 });
    expect([0, 4].map(byEvents)).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
    const byBytes = recentOf([2, 2, 2, 2], many, { ...many, bytes: 1 });
    expect([0, 1, 2].map(byBytes)).toEqual([[1, 2], [2], [3, 4]]);
  });
});
