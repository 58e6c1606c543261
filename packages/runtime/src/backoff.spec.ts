import { createBackoff } from "./backoff.js";

describe("backoff", () => {
  it("doubles the ceiling of its waits up to the longest, and begins again after a reset", () => {
    const backoff = createBackoff({ initialMs: 100, maxMs: 350, random: () => 0.5 });
    expect([1, 2, 3, 4].map(() => backoff.nextMs())).toEqual([50, 100, 175, 175]);
    backoff.reset();
    expect(backoff.nextMs()).toBe(50);
  });

  it("spreads waits from nothing to the ceiling", () => {
    const backoff = createBackoff({ initialMs: 100, maxMs: 100 });
    const waits = Array.from({ length: 1000 }, () => backoff.nextMs());
    expect(Math.min(...waits)).toBeLessThan(20);
    expect(Math.max(...waits)).toBeGreaterThan(80);
    expect(waits.every((waitMs) => waitMs >= 0 && waitMs < 100)).toBe(true);
  });

  it("refuses spans that make no sense", () => {
    expect(() => createBackoff({ initialMs: 0, maxMs: 1 })).toThrow(RangeError);
    expect(() => createBackoff({ initialMs: 2, maxMs: 1 })).toThrow(RangeError);
  });
});
