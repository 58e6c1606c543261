import { expect, test } from "@jest/globals";
import { formatLocalTime } from "./local-time.js";

test.each([
  ["2026-03-08T07:30:00Z", "America/New_York", "2026-03-08T03:30:00-04:00"],
  ["2026-03-08T06:30:00.007Z", "America/New_York", "2026-03-08T01:30:00.007-05:00"],
  ["2026-01-01T00:00:00Z", "UTC", "2026-01-01T00:00:00+00:00"],
  ["2026-01-01T00:00:00Z", "-00:30", "2025-12-31T23:30:00-00:30"],
  // Local mean time, -04:56:02.
  ["1880-01-01T16:56:02Z", "America/New_York", "1880-01-01T12:00:02-04:56"],
  ["0001-01-01T00:00:00Z", "America/New_York", "0000-12-31T19:04:00-04:56"],
  // The local year is 10000.
  ["9999-12-31T12:00:00Z", "Pacific/Kiritimati", "9999-12-31T12:00:00+00:00"],
])("%s in %s is %s", (time, timeZone, expected) => {
  expect(formatLocalTime(Date.parse(time), timeZone)).toBe(expected);
  expect(Date.parse(expected)).toBe(Date.parse(time));
});

test("an unknown zone is an error", () => {
  expect(() => formatLocalTime(0, "Mars/Olympus")).toThrow(RangeError);
});
