import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { assignShards, SHARD_COUNT, shardOf } from "./sharding.js";

const ALL_SHARDS = Array.from({ length: SHARD_COUNT }, (_, shard) => shard);
const memberIds = fc.uniqueArray(fc.string({ maxLength: 20 }), { minLength: 1, maxLength: 12 });

function ownersOf(assignment: Map<string, number[]>): Map<number, string> {
  return new Map(
    [...assignment].flatMap(([member, shards]) => shards.map((shard): [number, string] => [shard, member])),
  );
}

describe("shardOf", () => {
  test.each([
    [1, 1],
    [63, 63],
    [64, 0],
    [4294967295, 63],
  ])("task %d is in shard %d", (taskId, shard) => {
    expect(shardOf(taskId)).toBe(shard);
  });
});

describe("assignShards", () => {
  test("nobody gets nothing", () => {
    expect(assignShards([])).toEqual(new Map());
  });

  test("one gets all, in ascending order", () => {
    expect(assignShards(["a"])).toEqual(new Map([["a", ALL_SHARDS]]));
  });

  test("deals every shard out once, and names every member", () => {
    fc.assert(
      fc.property(memberIds, (members) => {
        const assignment = assignShards(members);
        expect([...assignment.keys()].sort()).toEqual([...members].sort());
        expect([...assignment.values()].flat().sort((a, b) => a - b)).toEqual(ALL_SHARDS);
        for (const shards of assignment.values()) expect(shards).toEqual([...shards].sort((a, b) => a - b));
      }),
    );
  });

  test("does not look at order or repetition", () => {
    fc.assert(
      fc.property(memberIds, (members) => {
        expect(assignShards([...members, ...members].reverse())).toEqual(assignShards(members));
      }),
    );
  });

  test("one that leaves moves its own shards only, and one that comes takes only what becomes its own", () => {
    fc.assert(
      fc.property(memberIds, fc.nat(), (members, pick) => {
        const leaver = members[pick % members.length]!;
        const before = ownersOf(assignShards(members));
        const after = ownersOf(assignShards(members.filter((member) => member !== leaver)));
        for (const [shard, owner] of after) {
          if (before.get(shard) !== leaver) expect(owner).toBe(before.get(shard));
        }
      }),
    );
  });

  // With 64 shards chance alone gives each of four about 16, give or take 3.5; these are the names that fleets have.
  test.each([
    ["host-%:1", 2, 20],
    ["host-%:1", 4, 7],
    ["taskscheduler-scheduler-%", 4, 7],
    ["10.0.0.%", 8, 2],
    ["%", 4, 7],
  ])("names such as %s share the work: of %d each has at least %d", (pattern, count, least) => {
    const members = Array.from({ length: count }, (_, i) => pattern.replace("%", String(i)));
    for (const shards of assignShards(members).values()) expect(shards.length).toBeGreaterThanOrEqual(least);
  });

  test("gives each of many fleets' members about the same", () => {
    const totals = [0, 0, 0, 0];
    for (let fleet = 0; fleet < 500; fleet++) {
      const members = [0, 1, 2, 3].map((i) => `fleet${fleet}-${i}`);
      const assignment = assignShards(members);
      for (const [i, member] of members.entries()) totals[i]! += assignment.get(member)!.length;
    }
    for (const total of totals) expect(Math.abs(total / (500 * 16) - 1)).toBeLessThan(0.04);
  });

  test("stays what it is: processes of two versions have to agree", () => {
    const assignment = assignShards(["a", "b", "c"]);
    expect([...assignment].map(([member, shards]) => `${member}: ${shards.join(" ")}`)).toMatchInlineSnapshot(`
[
  "a: 0 7 8 10 12 13 16 17 18 19 25 26 27 32 36 37 38 43 45 47 48 49 50 52 53 56 57 58 60",
  "b: 5 6 11 14 21 22 23 24 29 30 35 46 59 61",
  "c: 1 2 3 4 9 15 20 28 31 33 34 39 40 41 42 44 51 54 55 62 63",
]
`);
  });
});
