import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { MAX_TIME_MS, MIN_TIME_MS } from "../time/time-range.js";
import { CLOCK_CHANGES } from "./clock-changes.fixture.js";
import { compileSchedule } from "./compile-schedule.js";
import { runInOtherProcess } from "./other-process.fixture.js";
import { RECURRENCES, type Recurrence } from "./recurrence.js";
import { isOccurrence as isOccurrenceOf } from "./schedule.js";
import { describeScheduleConformance } from "./schedule-conformance.fixture.js";
import { showOccurrences } from "./schedule-transcript.fixture.js";

const DAY_MS = 86_400_000;
const ms = (time: string) => Date.parse(time);
const schedule = (first: string, recurrence: Recurrence, timeZone = "UTC") => ({
  scheduledTimeMs: ms(first),
  recurrence,
  timeZone,
});
type Fields = ReturnType<typeof schedule>;

const occurrences = showOccurrences;
const nextOccurrenceMs = (s: Fields, afterMs: number) => compileSchedule(s).next(afterMs)?.timeMs;
const latestOccurrenceMs = (s: Fields, notAfterMs: number) => compileSchedule(s).latest(notAfterMs)?.timeMs;
const isOccurrence = (s: Fields, timeMs: number) => isOccurrenceOf(compileSchedule(s), timeMs);
/** A fixed step counts without walking, so its count is exact whatever the cap. */
function countOccurrences(s: Fields, fromMs: number, untilMs: number): number {
  const { count, exact } = compileSchedule(s).count(fromMs, untilMs, 1);
  expect(exact).toBe(true);
  return count;
}

/** Local times worked out by hand; a `!` in front of one that a change of the clocks shifted. */
const HARD_CASES: [what: string, s: Fields, from: string, localTimes: string[]][] = [
  [
    "once is once",
    schedule("2026-12-01T09:30:00Z", "ONCE", "Europe/Berlin"),
    "2026-01-01T00:00:00Z",
    ["2026-12-01T10:30:00+01:00"],
  ],
  [
    "January 31, by month",
    schedule("2026-01-31T08:30:00Z", "MONTHLY", "Europe/Berlin"),
    "2026-01-31T08:30:00Z",
    [
      ...["2026-01-31T09:30:00+01:00", "2026-02-28T09:30:00+01:00", "2026-03-31T09:30:00+02:00"],
      ...["2026-04-30T09:30:00+02:00", "2026-05-31T09:30:00+02:00"],
    ],
  ],
  [
    "January 31, by month, in a leap year",
    schedule("2024-01-31T00:00:00Z", "MONTHLY"),
    "2024-01-31T00:00:00Z",
    ["2024-01-31T00:00:00+00:00", "2024-02-29T00:00:00+00:00", "2024-03-31T00:00:00+00:00"],
  ],
  [
    "the month's end is the zone's, not UTC's",
    schedule("2026-01-30T20:00:00Z", "MONTHLY", "+05:30"),
    "2026-01-01T00:00:00Z",
    ["2026-01-31T01:30:00+05:30", "2026-02-28T01:30:00+05:30", "2026-03-31T01:30:00+05:30"],
  ],
  [
    "November 30, by quarter",
    schedule("2025-11-30T12:00:00Z", "QUARTERLY"),
    "2025-11-30T12:00:00Z",
    [
      ...["2025-11-30T12:00:00+00:00", "2026-02-28T12:00:00+00:00", "2026-05-30T12:00:00+00:00"],
      ...["2026-08-30T12:00:00+00:00", "2026-11-30T12:00:00+00:00"],
    ],
  ],
  [
    "February 29, by year",
    schedule("2024-02-29T00:00:00Z", "YEARLY"),
    "2024-02-29T00:00:00Z",
    [
      ...["2024-02-29T00:00:00+00:00", "2025-02-28T00:00:00+00:00", "2026-02-28T00:00:00+00:00"],
      ...["2027-02-28T00:00:00+00:00", "2028-02-29T00:00:00+00:00"],
    ],
  ],
  [
    "February 29 around 2100, which is no leap year",
    schedule("2024-02-29T00:00:00Z", "YEARLY"),
    "2096-01-01T00:00:00Z",
    [
      ...["2096-02-29T00:00:00+00:00", "2097-02-28T00:00:00+00:00", "2098-02-28T00:00:00+00:00"],
      ...["2099-02-28T00:00:00+00:00", "2100-02-28T00:00:00+00:00"],
    ],
  ],
  [
    "weeks and fortnights keep the time on the clock",
    schedule("2026-03-20T08:00:00Z", "BIWEEKLY", "Europe/Berlin"),
    "2026-03-20T00:00:00Z",
    ["2026-03-20T09:00:00+01:00", "2026-04-03T09:00:00+02:00", "2026-04-17T09:00:00+02:00"],
  ],
  [
    "New York's gap",
    schedule("2026-03-07T07:30:00Z", "DAILY", "America/New_York"),
    "2026-03-07T07:30:00Z",
    ["2026-03-07T02:30:00-05:00", "!2026-03-08T03:30:00-04:00", "2026-03-09T02:30:00-04:00"],
  ],
  [
    "New York's overlap: the first pass",
    schedule("2026-10-31T05:30:00Z", "DAILY", "America/New_York"),
    "2026-10-31T05:30:00Z",
    ["2026-10-31T01:30:00-04:00", "2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"],
  ],
  [
    "a first occurrence in the second pass stays there, and the others count from its wall time",
    schedule("2026-11-01T06:30:00Z", "WEEKLY", "America/New_York"),
    "2026-01-01T00:00:00Z",
    ["2026-11-01T01:30:00-05:00", "2026-11-08T01:30:00-05:00"],
  ],
  [
    "from the second pass, a year on",
    schedule("2026-11-01T06:30:00Z", "YEARLY", "America/New_York"),
    "2026-01-01T00:00:00Z",
    ["2026-11-01T01:30:00-05:00", "2027-11-01T01:30:00-04:00"],
  ],
  [
    "Berlin's gap, by week",
    schedule("2026-03-22T01:30:00Z", "WEEKLY", "Europe/Berlin"),
    "2026-03-22T01:30:00Z",
    ["2026-03-22T02:30:00+01:00", "!2026-03-29T03:30:00+02:00", "2026-04-05T02:30:00+02:00"],
  ],
  [
    "Berlin's overlap, by month",
    schedule("2026-09-25T00:30:00Z", "MONTHLY", "Europe/Berlin"),
    "2026-09-25T00:00:00Z",
    ["2026-09-25T02:30:00+02:00", "2026-10-25T02:30:00+02:00", "2026-11-25T02:30:00+01:00"],
  ],
  [
    "Sydney's gap, in October",
    schedule("2026-10-02T16:30:00Z", "DAILY", "Australia/Sydney"),
    "2026-10-02T16:30:00Z",
    ["2026-10-03T02:30:00+10:00", "!2026-10-04T03:30:00+11:00", "2026-10-05T02:30:00+11:00"],
  ],
  [
    "Sydney's overlap, in April",
    schedule("2026-04-03T15:30:00Z", "DAILY", "Australia/Sydney"),
    "2026-04-03T15:30:00Z",
    ["2026-04-04T02:30:00+11:00", "2026-04-05T02:30:00+11:00", "2026-04-06T02:30:00+10:00"],
  ],
  [
    "Santiago's gap is at midnight",
    schedule("2026-09-05T04:00:00Z", "DAILY", "America/Santiago"),
    "2026-09-05T04:00:00Z",
    ["2026-09-05T00:00:00-04:00", "!2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"],
  ],
  [
    "Santiago's overlap is the day before",
    schedule("2026-04-04T02:30:00Z", "DAILY", "America/Santiago"),
    "2026-04-04T02:30:00Z",
    ["2026-04-03T23:30:00-03:00", "2026-04-04T23:30:00-03:00", "2026-04-05T23:30:00-04:00"],
  ],
  [
    "Lord Howe's clocks move by half an hour: the gap",
    schedule("2026-10-02T15:45:00Z", "DAILY", "Australia/Lord_Howe"),
    "2026-10-02T15:45:00Z",
    ["2026-10-03T02:15:00+10:30", "!2026-10-04T02:45:00+11:00", "2026-10-05T02:15:00+11:00"],
  ],
  [
    "Lord Howe's overlap",
    schedule("2026-04-03T14:45:00Z", "DAILY", "Australia/Lord_Howe"),
    "2026-04-03T14:45:00Z",
    ["2026-04-04T01:45:00+11:00", "2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"],
  ],
  [
    "Samoa had no 2011-12-30: its noon is that of the 31st, once",
    schedule("2011-12-28T22:00:00Z", "DAILY", "Pacific/Apia"),
    "2011-12-28T22:00:00Z",
    [
      "2011-12-28T12:00:00-10:00",
      "2011-12-29T12:00:00-10:00",
      "2011-12-31T12:00:00+14:00",
      "2012-01-01T12:00:00+14:00",
    ],
  ],
  [
    "a week on Samoa's lost day moves to the next",
    schedule("2011-12-23T22:00:00Z", "WEEKLY", "Pacific/Apia"),
    "2011-12-23T22:00:00Z",
    ["2011-12-23T12:00:00-10:00", "!2011-12-31T12:00:00+14:00", "2012-01-06T12:00:00+14:00"],
  ],
  [
    "no summer time in India",
    schedule("2026-03-28T03:30:00Z", "DAILY", "Asia/Kolkata"),
    "2026-03-28T03:30:00Z",
    ["2026-03-28T09:00:00+05:30", "2026-03-29T09:00:00+05:30"],
  ],
  [
    "no summer time in Lagos",
    schedule("2026-03-22T08:00:00Z", "WEEKLY", "Africa/Lagos"),
    "2026-03-29T00:00:00Z",
    ["2026-03-29T09:00:00+01:00", "2026-04-05T09:00:00+01:00"],
  ],
  [
    "milliseconds stay",
    schedule("2026-03-07T07:30:00.007Z", "DAILY", "America/New_York"),
    "2026-03-08T00:00:00Z",
    ["!2026-03-08T03:30:00.007-04:00", "2026-03-09T02:30:00.007-04:00"],
  ],
  [
    "local mean time is written with the nearest whole minute: 1880-01-01T12:00:00-04:56:02 in New York",
    schedule("1880-01-01T16:56:02Z", "ONCE", "America/New_York"),
    "1880-01-01T00:00:00Z",
    ["1880-01-01T12:00:02-04:56"],
  ],
  [
    "the first of all days",
    schedule("0001-01-01T00:00:00Z", "DAILY", "America/New_York"),
    "0001-01-01T00:00:00Z",
    ["0000-12-31T19:04:00-04:56", "0001-01-01T19:04:00-04:56"],
  ],
  [
    "from the year 1 to today, by month",
    schedule("0001-01-31T06:00:00Z", "MONTHLY"),
    "2026-02-01T00:00:00Z",
    ["2026-02-28T06:00:00+00:00", "2026-03-31T06:00:00+00:00"],
  ],
  [
    "the last of all days",
    schedule("9999-12-30T23:59:59.999Z", "DAILY"),
    "9999-12-31T00:00:00Z",
    ["9999-12-31T23:59:59.999+00:00"],
  ],
  [
    "the last of all days, where it is the year 10000 already",
    schedule("9999-12-29T12:00:00Z", "DAILY", "Pacific/Kiritimati"),
    "9999-12-30T12:00:00Z",
    ["9999-12-31T02:00:00+14:00", "9999-12-31T12:00:00+00:00"],
  ],
];

describe("occurrences", () => {
  test.each(HARD_CASES)("%s", (_what, s, from, localTimes) => {
    const expected = localTimes.map((text) => {
      const localTime = text.replace("!", "");
      return { timeMs: ms(localTime), localTime, dstAdjusted: text.startsWith("!") };
    });
    expect(occurrences(s, ms(from) - 1, expected.length)).toEqual(expected);
  });

  test("are as many as asked for, as far as there are so many", () => {
    const s = schedule("2026-01-01T00:00:00Z", "DAILY");
    expect(occurrences(s, 0, 0)).toEqual([]);
    expect(occurrences(s, 0, -1)).toEqual([]);
    expect(occurrences(s, 0, 1000)).toHaveLength(1000);
    expect(occurrences(s, ms("9999-12-30T12:00:00Z"), 1000)).toHaveLength(1);
    expect(occurrences(s, MAX_TIME_MS, 1000)).toEqual([]);
  });
});

test("in the second pass of an overlap the first pass's occurrence is the latest, and the next day's follows", () => {
  const s = schedule("2026-10-24T00:30:00Z", "DAILY", "Europe/Berlin");
  for (const time of ["2026-10-25T00:30:00Z", "2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z", "2026-10-25T01:59:59Z"]) {
    expect(latestOccurrenceMs(s, ms(time))).toBe(ms("2026-10-25T00:30:00Z"));
    expect(nextOccurrenceMs(s, ms(time))).toBe(ms("2026-10-26T01:30:00Z"));
  }
});

describe("at the edges", () => {
  test.each(RECURRENCES)("%s has nothing before its first, and nothing beyond the year 9999", (recurrence) => {
    for (const timeZone of ["UTC", "-03:00", "+14:00", "America/New_York", "Pacific/Apia"]) {
      const s = schedule("9990-05-05T05:00:00Z", recurrence, timeZone);
      expect(nextOccurrenceMs(s, Number.NEGATIVE_INFINITY)).toBe(s.scheduledTimeMs);
      expect(nextOccurrenceMs(s, s.scheduledTimeMs - 1)).toBe(s.scheduledTimeMs);
      expect(latestOccurrenceMs(s, s.scheduledTimeMs - 1)).toBeUndefined();
      expect(countOccurrences(s, MIN_TIME_MS, s.scheduledTimeMs - 1)).toBe(0);
      const last = latestOccurrenceMs(s, Number.POSITIVE_INFINITY);
      expect(last).toBeLessThanOrEqual(MAX_TIME_MS);
      expect(nextOccurrenceMs(s, last!)).toBeUndefined();
      expect(nextOccurrenceMs(s, MAX_TIME_MS)).toBeUndefined();
      expect(countOccurrences(s, last!, Number.POSITIVE_INFINITY)).toBe(1);
      expect(countOccurrences(s, last! + 1, Number.POSITIVE_INFINITY)).toBe(0);
    }
  });

  test("a schedule that begins before the year 1 has no occurrence there", () => {
    const s = { scheduledTimeMs: MIN_TIME_MS - 10 * DAY_MS, recurrence: "DAILY", timeZone: "UTC" } as const;
    expect(nextOccurrenceMs(s, s.scheduledTimeMs - 1)).toBe(MIN_TIME_MS);
    expect(latestOccurrenceMs(s, MIN_TIME_MS - 1)).toBeUndefined();
    expect(countOccurrences(s, s.scheduledTimeMs, MIN_TIME_MS)).toBe(1);
  });

  test("a schedule that begins beyond the year 9999 has no occurrence", () => {
    const s = { scheduledTimeMs: MAX_TIME_MS + 1, recurrence: "DAILY", timeZone: "UTC" } as const;
    expect(nextOccurrenceMs(s, 0)).toBeUndefined();
    expect(latestOccurrenceMs(s, MAX_TIME_MS + DAY_MS)).toBeUndefined();
    expect(countOccurrences(s, MIN_TIME_MS, MAX_TIME_MS + DAY_MS)).toBe(0);
  });

  test("an unknown zone is an error, and what is no number ends", () => {
    expect(() => nextOccurrenceMs(schedule("2026-01-01T00:00:00Z", "DAILY", "Mars/Olympus"), 0)).toThrow(RangeError);
    const s = schedule("2026-01-01T00:00:00Z", "DAILY");
    expect(countOccurrences(s, Number.NaN, Number.NaN)).toBe(0);
    expect(nextOccurrenceMs(s, Number.NaN)).toBeNaN();
  });

  test("a range that ends before it begins is empty", () => {
    const s = schedule("2026-01-01T00:00:00Z", "DAILY");
    expect(countOccurrences(s, ms("2026-01-03T00:00:00Z"), ms("2026-01-02T00:00:00Z"))).toBe(0);
  });

  test.each([
    ["DAILY", "UTC", 3_652_059],
    ["DAILY", "America/New_York", 3_652_059],
    // 12:33:04 by Apia's clocks, from 0001-01-01 to 10000-01-01 (23:33:04 in UTC, the day before): one more, less the
    // day that was skipped.
    ["DAILY", "Pacific/Apia", 3_652_059],
    ["WEEKLY", "UTC", 521_723],
    // 00:53:28 by Berlin's clocks, to 10000-01-01 (23:53:28 in UTC, the day before).
    ["MONTHLY", "Europe/Berlin", 119_989],
    ["QUARTERLY", "UTC", 39_996],
    ["YEARLY", "UTC", 9999],
    ["ONCE", "UTC", 1],
  ] as const)("%s in %s has %d occurrences in all, counted in no time", (recurrence, timeZone, expected) => {
    const s = { scheduledTimeMs: MIN_TIME_MS, recurrence, timeZone };
    const startedAt = performance.now();
    for (let i = 0; i < 200; i++) expect(countOccurrences(s, MIN_TIME_MS, MAX_TIME_MS)).toBe(expected);
    // Walking through them would take more than a minute.
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });
});

const ZONES = [
  ...["UTC", "+05:30", "-03:00", "America/New_York", "Europe/Berlin", "Australia/Sydney", "America/Santiago"],
  ...["Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kwajalein", "Asia/Kolkata", "Africa/Lagos", "Africa/Casablanca"],
  ...["Asia/Gaza", "America/St_Johns", "Europe/Dublin", "Asia/Kathmandu", "Antarctica/Troll"],
];

const HOUR_MS = 3_600_000;
const QUARTER_MS = 900_000;
/** From here on every zone's offset is a multiple of a quarter of an hour, which the naive reading below needs. */
const FIRST_MS = Date.UTC(1973, 0, 1);

/** Random ones, and those that come close to what is hard: quarter hours near midnight, in the months of changes. */
const scheduledTimes = fc.oneof(
  fc.integer({ min: FIRST_MS, max: Date.UTC(2100, 0, 1) }),
  fc
    .tuple(fc.integer({ min: 1973, max: 2040 }), fc.nat(11), fc.integer({ min: 1, max: 31 }), fc.nat(95))
    .map(([year, month, day, quarter]) => Date.UTC(year, month, day) + quarter * QUARTER_MS),
  fc.integer({ min: Date.UTC(2011, 11, 1), max: Date.UTC(2012, 0, 5) }),
);
const schedules: fc.Arbitrary<Fields> = fc.record({
  scheduledTimeMs: scheduledTimes,
  recurrence: fc.constantFrom(...RECURRENCES),
  timeZone: fc.constantFrom(...ZONES),
});

const instants = fc.integer({ min: MIN_TIME_MS, max: MAX_TIME_MS });
const anySchedules = fc.oneof(
  schedules,
  schedules.chain((s) => instants.map((scheduledTimeMs) => ({ ...s, scheduledTimeMs }))),
);

const formats = new Map<string, Intl.DateTimeFormat>();
/** What the zone's clocks show, as if they stood in UTC: read from the calendar, where the source reads the offset. */
function shownAt(timeZone: string, timeMs: number): number {
  const fixed = /^([+-])(\d\d):(\d\d)$/.exec(timeZone);
  if (fixed !== null)
    return timeMs + (Number(fixed[2]) * 60 + Number(fixed[3])) * (fixed[1] === "-" ? -60_000 : 60_000);
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" });
    formats.set(timeZone, format);
  }
  const wholeSecondMs = Math.floor(timeMs / 1000) * 1000;
  return ms(`${format.format(wholeSecondMs).replace(" ", "T")}Z`) + timeMs - wholeSecondMs;
}

/** Tries every offset there is, the largest first, which is the earliest instant. */
function naiveInstants(timeZone: string, wallMs: number): number[] {
  const found: number[] = [];
  for (let offsetMs = 15 * HOUR_MS; offsetMs >= -13 * HOUR_MS; offsetMs -= QUARTER_MS) {
    if (shownAt(timeZone, wallMs - offsetMs) === wallMs) found.push(wallMs - offsetMs);
  }
  return found;
}

function naiveInstant(timeZone: string, wallMs: number): number {
  const [first] = naiveInstants(timeZone, wallMs);
  if (first !== undefined) return first;
  for (let backMs = QUARTER_MS; ; backMs += QUARTER_MS) {
    const last = naiveInstants(timeZone, wallMs - backMs).at(-1);
    if (last !== undefined) return last + backMs;
  }
}

/** The first `count` occurrences, one after the other, by `Date` alone. */
function naiveOccurrences(s: Fields, count: number): number[] {
  const first = new Date(shownAt(s.timeZone, s.scheduledTimeMs));
  const found = [s.scheduledTimeMs];
  if (s.recurrence === "ONCE") return found;
  const days = { DAILY: 1, WEEKLY: 7, BIWEEKLY: 14, MONTHLY: 0, QUARTERLY: 0, YEARLY: 0 }[s.recurrence];
  const months = { DAILY: 0, WEEKLY: 0, BIWEEKLY: 0, MONTHLY: 1, QUARTERLY: 3, YEARLY: 12 }[s.recurrence];
  for (let k = 1; found.length < count; k++) {
    const wall = new Date(first);
    wall.setUTCDate(wall.getUTCDate() + k * days);
    wall.setUTCMonth(wall.getUTCMonth() + k * months);
    // A day that the month lacks has run over into the next one.
    if (months > 0 && wall.getUTCDate() !== first.getUTCDate()) wall.setUTCDate(0);
    const timeMs = naiveInstant(s.timeZone, wall.getTime());
    if (timeMs !== found.at(-1)) found.push(timeMs);
  }
  return found;
}

describe("properties", () => {
  test("the occurrences are those that a naive enumeration finds", () => {
    fc.assert(
      fc.property(schedules, (s) => {
        const expected = naiveOccurrences(s, 40);
        expect(occurrences(s, s.scheduledTimeMs - 1, expected.length).map(({ timeMs }) => timeMs)).toEqual(expected);
        for (const [i, timeMs] of expected.entries()) {
          expect(countOccurrences(s, expected[0]!, timeMs)).toBe(i + 1);
          expect(nextOccurrenceMs(s, timeMs - 1)).toBe(timeMs);
          expect(latestOccurrenceMs(s, timeMs)).toBe(timeMs);
          if (i > 0) expect(latestOccurrenceMs(s, timeMs - 1)).toBe(expected[i - 1]);
        }
      }),
      { numRuns: 120 },
    );
  });

  test("next is later and an occurrence, with none between", () => {
    fc.assert(
      fc.property(anySchedules, instants, (s, afterMs) => {
        const next = nextOccurrenceMs(s, afterMs);
        if (next === undefined) {
          expect(countOccurrences(s, afterMs + 1, MAX_TIME_MS)).toBe(0);
          return;
        }
        expect(next).toBeGreaterThan(afterMs);
        expect(isOccurrence(s, next)).toBe(true);
        expect(countOccurrences(s, afterMs + 1, next)).toBe(1);
        expect(latestOccurrenceMs(s, next - 1)).toBe(latestOccurrenceMs(s, afterMs));
      }),
      { numRuns: 2000 },
    );
  });

  test("latest and next are each other's inverse", () => {
    fc.assert(
      fc.property(anySchedules, instants, (s, timeMs) => {
        const latest = latestOccurrenceMs(s, timeMs);
        expect(isOccurrence(s, timeMs)).toBe(latest === timeMs);
        if (latest === undefined) {
          expect(timeMs).toBeLessThan(s.scheduledTimeMs);
          return;
        }
        expect(latest).toBeLessThanOrEqual(timeMs);
        expect(nextOccurrenceMs(s, latest - 1)).toBe(latest);
        expect(nextOccurrenceMs(s, latest)).toBe(nextOccurrenceMs(s, timeMs));
      }),
      { numRuns: 2000 },
    );
  });

  test("occurrences strictly rise, are those that next gives, and say the instant they are at", () => {
    fc.assert(
      fc.property(anySchedules, fc.integer({ min: -1, max: 400 * 366 }), (s, days) => {
        const afterMs = s.scheduledTimeMs + days * DAY_MS;
        let previous = afterMs;
        for (const { timeMs, localTime, dstAdjusted } of occurrences(s, afterMs, 12)) {
          expect(timeMs).toBeGreaterThan(previous);
          expect(nextOccurrenceMs(s, previous)).toBe(timeMs);
          expect(localTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?[+-]\d\d:\d\d$/);
          expect(ms(localTime)).toBe(timeMs);
          if (s.timeZone === "UTC") expect(dstAdjusted).toBe(false);
          previous = timeMs;
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("a range's count is its parts' sum", () => {
    fc.assert(
      fc.property(anySchedules, fc.tuple(instants, instants, instants), (s, times) => {
        const [from, middle, until] = [...times].sort((a, b) => a - b) as [number, number, number];
        expect(countOccurrences(s, from, until)).toBe(
          countOccurrences(s, from, middle) + countOccurrences(s, middle + 1, until),
        );
      }),
      { numRuns: 2000 },
    );
  });
});

describe("in other processes", () => {
  const sample = fc.sample(schedules, { numRuns: 300, seed: 2026 });
  const cases = sample.map((s) => ({
    s,
    times: occurrences(s, s.scheduledTimeMs - 1, 40).map(({ timeMs }) => timeMs),
  }));

  test("Temporal agrees", () => {
    const script = `
      import { Temporal } from "temporal-polyfill";
      const UNITS = { DAILY: { days: 1 }, WEEKLY: { days: 7 }, BIWEEKLY: { days: 14 }, MONTHLY: { months: 1 }, QUARTERLY: { months: 3 }, YEARLY: { years: 1 } };
      console.log(JSON.stringify(input.map(({ s, times }) => {
        const wall = Temporal.Instant.fromEpochMilliseconds(s.scheduledTimeMs).toZonedDateTimeISO(s.timeZone).toPlainDateTime();
        const found = [s.scheduledTimeMs];
        for (let k = 1; found.length < times.length; k++) {
          const [[unit, size]] = Object.entries(UNITS[s.recurrence]);
          const timeMs = wall.add({ [unit]: size * k }).toZonedDateTime(s.timeZone).epochMilliseconds;
          if (timeMs !== found.at(-1)) found.push(timeMs);
        }
        return found;
      })));`;
    expect(runInOtherProcess(script, cases, "UTC")).toEqual(cases.map(({ times }) => times));
  }, 60_000);
});

/** Quarter hours in the days before a clock change, close to the time of day at which the clocks jump. */
const schedulesBeforeChanges = fc
  .record({
    change: fc.constantFrom(...CLOCK_CHANGES),
    days: fc.nat(3),
    quarters: fc.integer({ min: -5, max: 5 }),
    recurrence: fc.oneof(fc.constant<Recurrence>("DAILY"), fc.constantFrom(...RECURRENCES)),
  })
  .map(({ change: { timeZone, timeMs }, days, quarters, recurrence }) => {
    return { scheduledTimeMs: timeMs - days * DAY_MS + quarters * QUARTER_MS, recurrence, timeZone };
  });
const schedulesAtTheEdges = schedules.chain((s) =>
  fc
    .tuple(fc.constantFrom(MIN_TIME_MS, MAX_TIME_MS), fc.integer({ min: -40, max: 40 }))
    .map(([edgeMs, days]) => ({ ...s, scheduledTimeMs: edgeMs + days * DAY_MS })),
);

describeScheduleConformance(
  "fixed recurrences",
  fc.oneof(anySchedules, { weight: 2, arbitrary: schedulesBeforeChanges }, schedulesAtTheEdges),
);
