import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  addMonths,
  DAY_MS,
  daysInMonth,
  formatWallDate,
  formatWallTime,
  fromEpochDay,
  toEpochDay,
  wallTimeOfDayMs,
} from "./calendar.js";

/** What `Date` says; its setters, unlike its constructor, take years below 100 as they are. */
function dateDay(year: number, month: number, day: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getTime() / DAY_MS;
}

describe("calendar", () => {
  test("days and dates are those of Date, from the year -1 to 10000", () => {
    fc.assert(
      fc.property(fc.integer({ min: dateDay(-1, 1, 1), max: dateDay(10000, 12, 31) }), (epochDay) => {
        const date = new Date(epochDay * DAY_MS);
        const expected = { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
        expect(fromEpochDay(epochDay)).toEqual(expected);
        expect(toEpochDay(expected)).toBe(epochDay);
      }),
      { numRuns: 2000 },
    );
  });

  test("every month of eight centuries has Date's length", () => {
    for (let year = 1600; year < 2400; year++) {
      for (let month = 1; month <= 12; month++) {
        expect(daysInMonth(year, month)).toBe(dateDay(year, month + 1, 1) - dateDay(year, month, 1));
      }
    }
  });

  test.each([
    ["2026-01-31", 1, "2026-02-28"],
    ["2024-01-31", 1, "2024-02-29"],
    ["2026-01-31", 3, "2026-04-30"],
    ["2026-12-15", 1, "2027-01-15"],
    ["2024-02-29", 12, "2025-02-28"],
    ["2024-02-29", 48, "2028-02-29"],
    ["2096-02-29", 48, "2100-02-28"],
    ["2026-03-31", -1, "2026-02-28"],
    ["2026-01-01", -1, "2025-12-01"],
    ["0099-12-31", 2, "0100-02-28"],
    ["0001-01-31", 1, "0001-02-28"],
  ])("%s and %d months is %s", (from, months, expected) => {
    expect(formatWallDate(addMonths(Date.parse(`${from}T00:00:00Z`), months))).toBe(expected);
  });

  test("adding months keeps the time of day", () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e13, max: 1e13 }), fc.integer({ min: -5000, max: 5000 }), (wallMs, months) => {
        expect(wallTimeOfDayMs(addMonths(wallMs, months))).toBe(wallTimeOfDayMs(wallMs));
      }),
    );
  });

  test.each([
    ["2026-01-02T03:04:05.000Z", "03:04:05"],
    ["2026-01-02T03:04:05.060Z", "03:04:05.060"],
    ["1969-12-31T23:59:59.999Z", "23:59:59.999"],
    ["0001-01-01T00:00:00.000Z", "00:00:00"],
  ])("the time of day of %s is %s", (time, expected) => {
    expect(formatWallTime(Date.parse(time))).toBe(expected);
  });
});
