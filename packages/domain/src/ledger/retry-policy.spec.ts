import fc from "fast-check";
import { type FailedAttempt, type RetryPolicy, retryDelayMs } from "./retry-policy.js";

const DAY_MS = 86_400_000;
const response = (httpStatus: number, retryAfterMs = 0): FailedAttempt => ({
  ...{ failure: "RESPONSE", httpStatus, retryAfterMs },
});
const timeout: FailedAttempt = { failure: "TIMEOUT", httpStatus: 0, retryAfterMs: 0 };
const policy = (changes: Partial<RetryPolicy> = {}): RetryPolicy => ({
  ...{ maxAttempts: null, initialBackoffMs: null, maxBackoffMs: null, multiplier: null, retryStatuses: [] },
  ...changes,
});

describe("the wait before the next attempt", () => {
  it("grows by the multiplier from the first, up to the cap", () => {
    const waits = (changes?: Partial<RetryPolicy>) =>
      [1, 2, 3, 4].map((failures) => retryDelayMs(policy(changes), timeout, failures, 1));
    expect(waits()).toEqual([1_000, 2_000, 4_000, 8_000]);
    expect(waits({ initialBackoffMs: 100, multiplier: 3, maxBackoffMs: 500 })).toEqual([100, 300, 500, 500]);
    expect(waits({ multiplier: 1 })).toEqual([1_000, 1_000, 1_000, 1_000]);
  });

  it("is drawn between nothing and that", () => {
    const random = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(random, fc.integer({ min: 1, max: 99 }), (drawn, failures) => {
        const waitMs = retryDelayMs(policy({ maxAttempts: 100 }), timeout, failures, drawn)!;
        expect(waitMs).toBeGreaterThanOrEqual(0);
        expect(waitMs).toBeLessThanOrEqual(300_000);
        expect(Number.isInteger(waitMs)).toBe(true);
      }),
    );
    expect(retryDelayMs(null, timeout, 1, 0)).toBe(0);
  });

  it("is as long as the target asks for, at most a day", () => {
    expect(retryDelayMs(policy({ maxBackoffMs: 10 }), response(429, 90_000), 1, 0.5)).toBe(90_000);
    expect(retryDelayMs(null, response(503, 10), 1, 1)).toBe(1_000);
    expect(retryDelayMs(null, response(503, 9 * DAY_MS), 1, 1)).toBe(DAY_MS);
  });
});

describe("an attempt is the last one", () => {
  it("when the policy allows no more", () => {
    expect(retryDelayMs(null, timeout, 4, 1)).toBeDefined();
    expect(retryDelayMs(null, timeout, 5, 1)).toBeUndefined();
    expect(retryDelayMs(policy({ maxAttempts: 1 }), timeout, 1, 1)).toBeUndefined();
    expect(retryDelayMs(policy({ maxAttempts: 7 }), timeout, 6, 1)).toBeDefined();
  });

  it.each([
    [408, true],
    [421, true],
    [425, true],
    [429, true],
    [500, true],
    [503, true],
    [599, true],
    [999, true],
    [301, false],
    [400, false],
    [401, false],
    [404, false],
    [410, false],
    [422, false],
  ])("when the answer is one that another attempt would get as well: %i", (status, isRetried) => {
    expect(retryDelayMs(null, response(status), 1, 1) !== undefined).toBe(isRetried);
  });

  it("when the policy does not name the answer", () => {
    const named = policy({ retryStatuses: [404, 410] });
    expect(retryDelayMs(named, response(404), 1, 1)).toBeDefined();
    expect(retryDelayMs(named, response(500), 1, 1)).toBeUndefined();
    expect(retryDelayMs(named, response(410), 1, 1)).toBeUndefined();
    expect(retryDelayMs(named, timeout, 1, 1)).toBeDefined();
  });

  it("when the target may not be called, and not when nothing answered", () => {
    const of = (failure: FailedAttempt["failure"]) => retryDelayMs(null, { ...timeout, failure }, 1, 1);
    expect(of("BLOCKED")).toBeUndefined();
    expect(of("CONNECTION")).toBeDefined();
    expect(of("SECRET_UNKNOWN")).toBeDefined();
    expect(retryDelayMs(null, { ...timeout, httpStatus: 410 }, 1, 1)).toBeUndefined();
    expect(retryDelayMs(policy({ maxAttempts: 1 }), { ...timeout, failure: "INTERRUPTED" }, 1, 1)).toBe(0);
  });
});
