import { describe, expect, test } from "@jest/globals";
import { timeZoneOf } from "./time-zone.js";

const iso = (timeMs: number) => new Date(timeMs).toISOString().replace(".000Z", "Z");

describe("timeZoneOf", () => {
  test("refuses what is no zone", () => {
    expect(() => timeZoneOf("Mars/Olympus")).toThrow(RangeError);
    expect(() => timeZoneOf("")).toThrow(RangeError);
  });

  test.each([
    ["UTC", "2026-01-01T00:00:00Z", 0],
    ["GMT", "2026-01-01T00:00:00Z", 0],
    ["+05:30", "2026-01-01T00:00:00Z", 19_800],
    ["-03:30", "0001-01-01T00:00:00Z", -12_600],
    ["Europe/London", "2026-01-01T00:00:00Z", 0],
    ["America/New_York", "2026-03-08T06:59:59Z", -18_000],
    ["America/New_York", "2026-03-08T07:00:00Z", -14_400],
    ["America/New_York", "9999-07-01T00:00:00Z", -14_400],
    // Local mean time, with its seconds.
    ["America/New_York", "0001-01-01T00:00:00Z", -17_762],
    ["Australia/Lord_Howe", "2026-01-01T00:00:00Z", 39_600],
    ["Asia/Kathmandu", "2026-01-01T00:00:00Z", 20_700],
    // An hour back for Ramadan.
    ["Africa/Casablanca", "2026-03-01T00:00:00Z", 0],
    ["Africa/Casablanca", "2026-04-01T00:00:00Z", 3600],
    ["Pacific/Kiritimati", "2026-01-01T00:00:00Z", 50_400],
  ])("%s at %s is %d s ahead of UTC", (id, time, seconds) => {
    expect(timeZoneOf(id).offsetMsAt(Date.parse(time))).toBe(seconds * 1000);
  });

  test.each([
    ["Europe/Berlin", "2026-07-01T12:00:00Z", "2026-07-01T10:00:00Z", false],
    ["Europe/Berlin", "2026-03-29T02:00:00Z", "2026-03-29T01:00:00Z", true],
    ["Europe/Berlin", "2026-03-29T02:59:59Z", "2026-03-29T01:59:59Z", true],
    ["Europe/Berlin", "2026-03-29T03:00:00Z", "2026-03-29T01:00:00Z", false],
    ["Europe/Berlin", "2026-10-25T02:00:00Z", "2026-10-25T00:00:00Z", false],
    ["Europe/Berlin", "2026-10-25T03:00:00Z", "2026-10-25T02:00:00Z", false],
    ["Pacific/Apia", "2011-12-30T00:00:00Z", "2011-12-30T10:00:00Z", true],
    ["Pacific/Apia", "2011-12-30T23:59:00Z", "2011-12-31T09:59:00Z", true],
    // Sitka's day that was twice: 1867-10-18 15:33:32 to 1867-10-19 15:33:32.
    ["America/Sitka", "1867-10-19T12:00:00Z", "1867-10-18T21:01:13Z", false],
  ])("in %s the wall time %s is %s", (id, wall, expected, inGap) => {
    const resolved = timeZoneOf(id).resolve(Date.parse(wall));
    expect({ time: iso(resolved.timeMs), inGap: resolved.inGap }).toEqual({ time: expected, inGap });
  });

  test.each([
    ["Pacific/Apia", ["2011-12-30T00:00:00Z"]],
    ["Pacific/Fakaofo", ["2011-12-30T00:00:00Z"]],
    ["Pacific/Kwajalein", ["1993-08-21T00:00:00Z"]],
    ["Asia/Manila", ["1844-12-31T00:00:00Z"]],
    ["America/Sitka", []],
    ["Europe/Berlin", []],
    ["UTC", []],
  ])("%s skipped the days %j", (id, days) => {
    expect(timeZoneOf(id).dayGapWallsMs().map(iso)).toEqual(days);
  });

  test("answers the same after its caches have run over", () => {
    const zone = timeZoneOf("Europe/Berlin");
    const timesMs = Array.from({ length: 2000 }, (_, i) => Date.UTC(2026, 0, 1) + i * 12_345_000);
    expect(timesMs.map(zone.offsetMsAt)).toEqual(timesMs.map(zone.offsetMsAt));
  });
});
