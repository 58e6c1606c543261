import fc from "fast-check";
import { Pace } from "./pace.js";

/** Starts as soon as it may, looking at the clock at these moments. */
function startsAt(rate: number, momentsMs: Iterable<number>): number[] {
  const pace = new Pace(rate);
  const starts: number[] = [];
  for (const nowMs of momentsMs) {
    while (pace.nextMs <= nowMs && starts.length < 100) {
      starts.push(nowMs);
      pace.started(nowMs);
    }
  }
  return starts;
}

describe("pace", () => {
  it("spaces starts evenly, and lets one more go at once after a pause", () => {
    const everyMs = Array.from({ length: 500 }, (_, ms) => ms);
    expect(startsAt(10, everyMs)).toEqual([0, 0, 100, 200, 300, 400]);
    expect(startsAt(10, [0, 1_000, 1_001, 1_100])).toEqual([0, 0, 1_000, 1_000, 1_100]);
  });

  it("keeps the rate when it is looked at late", () => {
    expect(startsAt(10, [0, 130, 260, 300, 401])).toEqual([0, 0, 130, 260, 300, 401]);
  });

  it("makes up for what timers cannot do where intervals are shorter than they are exact", () => {
    const everyFourMs = Array.from({ length: 10 }, (_, index) => index * 4);
    const starts = startsAt(1_000, everyFourMs);
    expect(starts.length).toBe(6 + 36);
  });

  it("has recovered when what is used up has passed", () => {
    const pace = new Pace(10);
    expect(pace.recoveredMs).toBe(Number.NEGATIVE_INFINITY);
    pace.started(50);
    pace.started(50);
    expect([pace.nextMs, pace.recoveredMs]).toEqual([150, 250]);
  });

  it("is no limit at a rate of 0", () => {
    const pace = new Pace(0);
    for (let count = 0; count < 1_000; count++) pace.started(7);
    expect([pace.nextMs, pace.recoveredMs]).toEqual([7, 7]);
  });

  it("never lets more go in any span than its rate and its lead allow", () => {
    const gaps = fc.array(fc.double({ min: 0, max: 400, noNaN: true }), { maxLength: 40 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_000 }), gaps, (rate, gapsMs) => {
        let atMs = 0;
        const starts = startsAt(
          rate,
          gapsMs.map((gapMs) => (atMs += gapMs)),
        );
        const intervalMs = 1_000 / rate;
        const leadMs = Math.max(5, intervalMs);
        for (const [first, startMs] of starts.entries()) {
          for (let last = first; last < starts.length; last++) {
            const spanMs = starts[last]! - startMs;
            expect(last - first).toBeLessThanOrEqual((spanMs + leadMs) / intervalMs + 1e-6);
          }
        }
      }),
    );
  });
});
