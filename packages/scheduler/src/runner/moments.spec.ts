import fc from "fast-check";
import { Moments } from "./moments.js";

const items = fc.integer({ min: 1, max: 30 });
const times = fc.integer({ min: 0, max: 60 });
const change = fc.oneof({ weight: 3, arbitrary: fc.record({ item: items, atMs: times }) }, fc.record({ item: items }));

function allDue(moments: Moments<number>, nowMs: number): number[] {
  const taken: number[] = [];
  for (let item = moments.shiftDue(nowMs); item !== undefined; item = moments.shiftDue(nowMs)) taken.push(item);
  return taken;
}

describe("moments", () => {
  it("gives each item when its last moment comes, the first one first", () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 20, maxLength: 100 }), times, (changes, nowMs) => {
        const moments = new Moments<number>();
        const model = new Map<number, number>();
        for (const each of changes) {
          if ("atMs" in each) {
            moments.set(each.item, each.atMs);
            model.set(each.item, each.atMs);
          } else {
            moments.delete(each.item);
            model.delete(each.item);
          }
          expect(moments.size).toBe(model.size);
          expect(moments.firstMs).toBe(model.size === 0 ? undefined : Math.min(...model.values()));
        }
        const due = [...model.values()].filter((atMs) => atMs <= nowMs);
        const [taken, rest] = [allDue(moments, nowMs), allDue(moments, 60)];
        expect(taken.length).toBe(due.length);
        const all = [...taken, ...rest];
        expect(new Set(all)).toEqual(new Set(model.keys()));
        expect(all.map((item) => model.get(item))).toEqual([...model.values()].sort((a, b) => a - b));
        expect(moments.size).toBe(0);
      }),
    );
  });
});
