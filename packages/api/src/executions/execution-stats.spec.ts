import { EXECUTION_STATES, latencyBin } from "@taskscheduler/domain";
import fc from "fast-check";
import { type CountedExecution, HOUR_SLOTS, SLOT_MS, type StatDelta, StatDeltas } from "./execution-stats.js";

const AT_MS = Date.UTC(2026, 10, 27, 12, 7);
const SLOT = Date.UTC(2026, 10, 27, 12, 5) / SLOT_MS;
const HOUR = Date.UTC(2026, 10, 27, 12) / SLOT_MS;

const claimed: CountedExecution = { scheduledTimeMs: AT_MS, state: "CLAIMED", startTimeMs: null, endTimeMs: null };
const succeeded: CountedExecution = {
  ...claimed,
  ...{ state: "SUCCEEDED", startTimeMs: AT_MS + 3, endTimeMs: AT_MS + 3 + 250 },
};

function deltasOf(...changes: [CountedExecution | undefined, CountedExecution | undefined][]): StatDelta[] {
  const deltas = new StatDeltas();
  for (const [previous, next] of changes) deltas.change(previous, next);
  return deltas.sorted();
}

const cell = (minutes: number, slot: number, kind: StatDelta["kind"], bin: number, count: number) => {
  return { minutes, slot, kind, bin, count };
};

it("an execution that ends goes from one state to another, with its times, in its slot and its hour", () => {
  expect(deltasOf([claimed, succeeded])).toEqual([
    cell(5, SLOT, "STATE", 2, -1),
    cell(5, SLOT, "STATE", 5, 1),
    cell(5, SLOT, "LATENESS", 3, 1),
    cell(5, SLOT, "DURATION", latencyBin(250), 1),
    cell(60, HOUR, "STATE", 2, -1),
    cell(60, HOUR, "STATE", 5, 1),
    cell(60, HOUR, "LATENESS", 3, 1),
    cell(60, HOUR, "DURATION", latencyBin(250), 1),
  ]);
});

it("one that is reopened takes its times back", () => {
  const there = deltasOf([claimed, succeeded]);
  const back = deltasOf([succeeded, { ...succeeded, state: "PENDING" }], [{ ...succeeded, state: "PENDING" }, claimed]);
  expect(back).toEqual(there.map((delta) => ({ ...delta, count: -delta.count })));
});

it("what comes to nothing is no change", () => {
  expect(deltasOf()).toEqual([]);
  expect(deltasOf([claimed, claimed], [succeeded, undefined], [undefined, succeeded])).toEqual([]);
});

it.each([
  ["cancelled while it ran", { state: "CANCELLED" }],
  ["missed", { state: "MISSED", startTimeMs: null }],
  ["waiting for another attempt", { state: "RETRYING" }],
] as const)("of one that was %s the state alone is counted", (_, fields) => {
  expect(deltasOf([undefined, { ...succeeded, ...fields }]).map(({ kind }) => kind)).toEqual(["STATE", "STATE"]);
});

it("before 1970 slots and hours begin before their times as well", () => {
  const [slot, hour] = deltasOf([undefined, { ...claimed, scheduledTimeMs: -1 }]);
  expect([slot?.slot, hour?.slot]).toEqual([-1, -HOUR_SLOTS]);
});

const rows = fc.record({
  scheduledTimeMs: fc.integer({ min: -10 * SLOT_MS, max: 30 * SLOT_MS }),
  state: fc.constantFrom(...EXECUTION_STATES),
  startTimeMs: fc.option(fc.nat({ max: 100 })),
  endTimeMs: fc.option(fc.nat({ max: 100_000 })),
});

it("come in the order of the key, each once, and add up to what the rows are", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.option(rows, { nil: undefined }), fc.option(rows, { nil: undefined }))),
      (changes) => {
        const deltas = deltasOf(...changes);
        const kinds = ["STATE", "LATENESS", "DURATION"];
        const keys = deltas.map((d) => [d.minutes, d.slot, kinds.indexOf(d.kind), d.bin]);
        const sorted = keys.toSorted((a, b) => a.map((n, i) => n - b[i]!).find((n) => n !== 0) ?? 0);
        expect(keys).toEqual(sorted);
        expect(new Set(keys.map(String)).size).toBe(keys.length);
        const weight = changes.reduce((sum, [a, b]) => sum + (b ? 1 : 0) - (a ? 1 : 0), 0);
        for (const minutes of [5, 60]) {
          const states = deltas.filter((d) => d.minutes === minutes && d.kind === "STATE");
          expect(states.reduce((sum, { count }) => sum + count, 0)).toBe(weight);
        }
      },
    ),
  );
});
