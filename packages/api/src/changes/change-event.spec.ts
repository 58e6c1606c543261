import { create } from "@bufbuild/protobuf";
import { type TaskChange, TaskChangeSchema } from "@taskscheduler/proto";
import { decodeSegment, encodeTaskChanges, segmentAt } from "./change-event.js";

function change(id: number, characters: number): TaskChange {
  return create(TaskChangeSchema, { task: { id, description: "x".repeat(characters) } });
}

const KIB = 1024;

describe("the changes of a transaction", () => {
  it.each([
    ["none", [], 0],
    ["few", [change(1, 10), change(2, 10)], 1],
    ["large ones", Array.from({ length: 100 }, (_, index) => change(index, 10 * KIB)), undefined],
    ["one that is larger than a segment", [change(1, 100 * KIB)], 1],
    ["some large amid small", Array.from({ length: 100 }, (_, id) => change(id, id === 50 ? 100 * KIB : 1)), undefined],
  ])("are encoded in segments that are small: %s", (_, changes, count) => {
    const segments = encodeTaskChanges(changes);
    if (count !== undefined) expect(segments).toHaveLength(count);
    for (const { payload, changes: part } of segments) {
      if (part.length > 1) expect(payload.length).toBeLessThanOrEqual(64 * KIB);
    }
    expect(segments.flatMap((segment) => [...segment.changes])).toEqual(changes);
  });

  it("are read as they were written", () => {
    const segments = encodeTaskChanges([change(1, 10), change(2, 10)]);
    expect(segments).toHaveLength(1);
    for (const written of segments) {
      const { payload } = written;
      expect(decodeSegment(7, written.kind, payload)).toEqual(segmentAt(7, written));
      expect(segmentAt(7, written)).toMatchObject({ firstRevision: 7, revision: 8, bytes: payload.length });
    }
  });
});
