import { maxRetryAfterMs, parseRetryAfter } from "./retry-after.js";

const nowMs = Date.UTC(2026, 6, 30, 12, 0, 0);

describe("Retry-After", () => {
  it.each([
    ["0", 0],
    ["120", 120_000],
    [" 7 ", 7_000],
    ["86400", maxRetryAfterMs],
    ["86401", maxRetryAfterMs],
    ["99999999999999999999999", maxRetryAfterMs],
    ["Thu, 30 Jul 2026 12:00:30 GMT", 30_000],
    ["Thursday, 30-Jul-26 12:01:00 GMT", 60_000],
    ["Thu Jul 30 12:02:00 2026", 120_000],
    ["Sat Aug  1 12:00:00 2026", maxRetryAfterMs],
    ["Thu, 30 Jul 2026 11:00:00 GMT", 0],
    ["Sunday, 06-Nov-94 08:49:37 GMT", 0],
    ["Fri, 01 Jan 2100 00:00:00 GMT", maxRetryAfterMs],
  ])("%s is %d ms", (value, waitMs) => {
    expect(parseRetryAfter(value, nowMs)).toBe(waitMs);
  });

  it("is rounded up to a millisecond", () => {
    expect(parseRetryAfter("Thu, 30 Jul 2026 12:00:01 GMT", nowMs + 0.4)).toBe(1_000);
  });

  it.each(["", "-1", "1.5", "1e3", "soon", "Thu, 30 Jul 2026 12:00:30", "2026-07-30T12:00:30Z", "30 Jul 2026"])(
    "%j is none",
    (value) => {
      expect(parseRetryAfter(value, nowMs)).toBeUndefined();
    },
  );
});
