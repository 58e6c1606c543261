import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { LATENCY_BIN_FLOORS_MS, latencyBin, latencyBinRangeMs } from "./latency-bins.js";
import { MAX_TIME_MS, MIN_TIME_MS } from "./time/time-range.js";

const BINS = LATENCY_BIN_FLOORS_MS.map((_, bin) => bin);
const LONGEST_MS = MAX_TIME_MS - MIN_TIME_MS;
const times = fc.oneof(fc.nat({ max: 100_000 }), fc.integer({ min: 0, max: LONGEST_MS }));

describe("latencyBin", () => {
  test.each([
    [-1, 0],
    [0, 0],
    [1, 1],
    [20, 20],
    [21, 20],
    [22, 21],
  ])("%d ms fall in bin %d", (timeMs, bin) => {
    expect(latencyBin(timeMs)).toBe(bin);
  });

  test("every time falls in the bin whose range it is in", () => {
    fc.assert(
      fc.property(times, (timeMs) => {
        const { lowestMs, highestMs } = latencyBinRangeMs(latencyBin(timeMs));
        expect(lowestMs).toBeLessThanOrEqual(timeMs);
        expect(highestMs).toBeGreaterThanOrEqual(timeMs);
      }),
    );
  });

  test("the ends of every bin fall in it", () => {
    for (const bin of BINS) {
      const { lowestMs, highestMs } = latencyBinRangeMs(bin);
      expect([latencyBin(lowestMs), latencyBin(highestMs)]).toEqual([bin, bin]);
    }
  });
});

describe("latencyBinRangeMs", () => {
  test("follow each other without a gap, from nothing to the longest time that there is", () => {
    expect(latencyBinRangeMs(0)).toEqual({ lowestMs: 0, highestMs: 0 });
    for (const bin of BINS.slice(1)) {
      expect(latencyBinRangeMs(bin).lowestMs).toBe(latencyBinRangeMs(bin - 1).highestMs + 1);
    }
    expect(latencyBinRangeMs(BINS.length - 1).highestMs).toBe(LONGEST_MS);
  });

  test("have a middle that is a twentieth away from the ends at most", () => {
    for (const bin of BINS.slice(1)) {
      const { lowestMs, highestMs } = latencyBinRangeMs(bin);
      const middleMs = (lowestMs + highestMs) / 2;
      expect((middleMs - lowestMs) / lowestMs).toBeLessThanOrEqual(0.05);
      expect((highestMs - middleMs) / highestMs).toBeLessThanOrEqual(0.05);
    }
  });

  test("are few enough for a small number in the database", () => {
    expect(BINS.length).toBeLessThan(512);
  });

  test.each([-1, BINS.length])("there is no bin %d", (bin) => {
    expect(() => latencyBinRangeMs(bin)).toThrow(RangeError);
  });
});
