import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { compileSchedule } from "../schedule/compile-schedule.js";
import { RECURRENCES, type Recurrence } from "../schedule/recurrence.js";
import { isOccurrence, type Schedule } from "../schedule/schedule.js";
import type { ScheduleFields } from "../schedule/schedule-fields.js";
import { MISSED_COUNT_CAP, type Settlement, type SettlementInput, settle } from "./settlement.js";

const DAY_MS = 86_400_000;
const ms = (time: string) => Date.parse(time);
const schedule = (first: string, recurrence: Recurrence, timeZone = "UTC"): Schedule =>
  compileSchedule({ scheduledTimeMs: ms(first), recurrence, timeZone });
const countOccurrences = (s: Schedule, fromMs: number, untilMs: number) =>
  s.count(fromMs, untilMs, MISSED_COUNT_CAP).count;
const firstOccurrenceMs = (s: Schedule, nowMs: number) => s.first(nowMs)?.timeMs;

const DAILY = schedule("2026-01-01T09:00:00Z", "DAILY");
const ONCE = schedule("2026-01-01T09:00:00Z", "ONCE");
const LAST = schedule("9999-12-31T09:00:00Z", "DAILY");
const POLICY = { missedAfterMs: 5000, catchUpWindowMs: DAY_MS };

function input(s: Schedule, due: string, now: string, scheduleSet = "2025-12-01T00:00:00Z"): SettlementInput {
  return { schedule: s, dueMs: ms(due), scheduleSetMs: ms(scheduleSet), nowMs: ms(now), ...POLICY };
}

const scheduled = (time: string) => ({ scheduledTimeMs: ms(time), trigger: "SCHEDULE" }) as const;
const caughtUp = (time: string) => ({ scheduledTimeMs: ms(time), trigger: "CATCH_UP" }) as const;
const missed = (first: string, last: string, count: number) => ({ firstMs: ms(first), lastMs: ms(last), count });

describe("settle", () => {
  test.each<[string, SettlementInput, Settlement]>([
    [
      "claimed ahead: runs",
      input(DAILY, "2026-01-05T09:00:00Z", "2026-01-05T08:59:59Z"),
      { claim: scheduled("2026-01-05T09:00:00Z"), nextMs: ms("2026-01-06T09:00:00Z") },
    ],
    [
      "at its instant: runs",
      input(DAILY, "2026-01-05T09:00:00Z", "2026-01-05T09:00:00Z"),
      { claim: scheduled("2026-01-05T09:00:00Z"), nextMs: ms("2026-01-06T09:00:00Z") },
    ],
    [
      "late, but not too late: runs",
      input(DAILY, "2026-01-05T09:00:00Z", "2026-01-05T09:00:05Z"),
      { claim: scheduled("2026-01-05T09:00:00Z"), nextMs: ms("2026-01-06T09:00:00Z") },
    ],
    [
      "a millisecond more: it is missed, and runs late",
      input(DAILY, "2026-01-05T09:00:00Z", "2026-01-05T09:00:05.001Z"),
      { claim: caughtUp("2026-01-05T09:00:00Z"), nextMs: ms("2026-01-06T09:00:00Z") },
    ],
    [
      "another is due too: the latest runs late, at its very instant even",
      input(DAILY, "2026-01-05T09:00:00Z", "2026-01-06T09:00:00Z"),
      {
        claim: caughtUp("2026-01-06T09:00:00Z"),
        missed: missed("2026-01-05T09:00:00Z", "2026-01-05T09:00:00Z", 1),
        nextMs: ms("2026-01-07T09:00:00Z"),
      },
    ],
    [
      "three days down: one run, one row for the rest",
      input(DAILY, "2026-01-05T09:00:00Z", "2026-01-08T12:00:00Z"),
      {
        claim: caughtUp("2026-01-08T09:00:00Z"),
        missed: missed("2026-01-05T09:00:00Z", "2026-01-07T09:00:00Z", 3),
        nextMs: ms("2026-01-09T09:00:00Z"),
      },
    ],
    [
      "the latest is at the window's end: it runs",
      input(schedule("2026-01-01T09:00:00Z", "WEEKLY"), "2026-01-08T09:00:00Z", "2026-01-16T09:00:00Z"),
      {
        claim: caughtUp("2026-01-15T09:00:00Z"),
        missed: missed("2026-01-08T09:00:00Z", "2026-01-08T09:00:00Z", 1),
        nextMs: ms("2026-01-22T09:00:00Z"),
      },
    ],
    [
      "beyond the window: nothing runs",
      input(schedule("2026-01-01T09:00:00Z", "WEEKLY"), "2026-01-08T09:00:00Z", "2026-01-16T09:00:00.001Z"),
      { missed: missed("2026-01-08T09:00:00Z", "2026-01-15T09:00:00Z", 2), nextMs: ms("2026-01-22T09:00:00Z") },
    ],
    [
      "the schedule was set within the window: lateness counts from there",
      input(ONCE, "2026-01-01T09:00:00Z", "2026-03-02T08:00:00Z", "2026-03-01T09:00:00Z"),
      { claim: caughtUp("2026-01-01T09:00:00Z") },
    ],
    [
      "the schedule was set before the window: nothing runs, and nothing comes",
      input(ONCE, "2026-01-01T09:00:00Z", "2026-03-02T09:00:01Z", "2026-03-01T09:00:00Z"),
      { missed: missed("2026-01-01T09:00:00Z", "2026-01-01T09:00:00Z", 1) },
    ],
    [
      "once, past when the schedule was set: runs as scheduled",
      input(ONCE, "2026-01-01T09:00:00Z", "2026-03-01T09:00:05Z", "2026-03-01T09:00:00Z"),
      { claim: scheduled("2026-01-01T09:00:00Z") },
    ],
    [
      "once, on time: runs, and is over",
      input(ONCE, "2026-01-01T09:00:00Z", "2026-01-01T09:00:00Z"),
      { claim: scheduled("2026-01-01T09:00:00Z") },
    ],
    [
      "the last there is: no next occurrence",
      input(LAST, "9999-12-31T09:00:00Z", "9999-12-31T09:00:00Z"),
      { claim: scheduled("9999-12-31T09:00:00Z") },
    ],
    [
      "in a gap of the clocks",
      input(
        schedule("2026-03-07T07:30:00Z", "DAILY", "America/New_York"),
        "2026-03-08T07:30:00Z",
        "2026-03-09T12:00:00Z",
      ),
      {
        claim: caughtUp("2026-03-09T06:30:00Z"),
        missed: missed("2026-03-08T07:30:00Z", "2026-03-08T07:30:00Z", 1),
        nextMs: ms("2026-03-10T06:30:00Z"),
      },
    ],
    [
      "across Samoa's lost day, whose occurrence is the next day's",
      input(
        schedule("2011-12-28T22:00:00Z", "DAILY", "Pacific/Apia"),
        "2011-12-28T22:00:00Z",
        "2012-01-01T00:00:00Z",
        "2011-12-01T00:00:00Z",
      ),
      {
        claim: caughtUp("2011-12-31T22:00:00Z"),
        missed: missed("2011-12-28T22:00:00Z", "2011-12-30T22:00:00Z", 3),
        nextMs: ms("2012-01-01T22:00:00Z"),
      },
    ],
    [
      "an occurrence that the schedule no longer has (another time zone database) is settled all the same",
      input(DAILY, "2026-01-05T08:00:00Z", "2026-01-05T12:00:00Z"),
      {
        claim: caughtUp("2026-01-05T09:00:00Z"),
        missed: missed("2026-01-05T08:00:00Z", "2026-01-05T08:00:00Z", 1),
        nextMs: ms("2026-01-06T09:00:00Z"),
      },
    ],
  ])("%s", (_what, given, expected) => {
    expect(settle(given)).toEqual(expected);
  });

  test("no window: only what is due this very instant is made up for", () => {
    const due = input(DAILY, "2026-01-05T09:00:00Z", "2026-01-06T09:00:00Z");
    expect(settle({ ...due, catchUpWindowMs: 0 }).claim).toEqual(caughtUp("2026-01-06T09:00:00Z"));
    expect(settle({ ...due, catchUpWindowMs: 0, nowMs: due.nowMs + 1 })).toEqual({
      missed: missed("2026-01-05T09:00:00Z", "2026-01-06T09:00:00Z", 2),
      nextMs: ms("2026-01-07T09:00:00Z"),
    });
  });

  const situations = fc
    .record({
      fields: fc.record<ScheduleFields>({
        scheduledTimeMs: fc.integer({ min: Date.UTC(1990, 0, 1), max: Date.UTC(2060, 0, 1) }),
        recurrence: fc.constantFrom(...RECURRENCES),
        timeZone: fc.constantFrom("UTC", "+05:30", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"),
      }),
      createdAfterMs: fc.integer({ min: -900 * DAY_MS, max: 4000 * DAY_MS }),
      pastDueMs: fc.oneof(
        fc.integer({ min: -1000, max: 20_000 }),
        fc.integer({ min: -1000, max: 3 * DAY_MS }),
        fc.integer({ min: -1000, max: 5000 * DAY_MS }),
      ),
      missedAfterMs: fc.integer({ min: 5000, max: 60_000 }),
      catchUpWindowMs: fc.oneof(fc.constant(DAY_MS), fc.integer({ min: 0, max: 40 * DAY_MS })),
    })
    .map(({ fields, createdAfterMs, pastDueMs, ...policy }): SettlementInput => {
      const s = compileSchedule(fields);
      const scheduleSetMs = fields.scheduledTimeMs + createdAfterMs;
      const dueMs = firstOccurrenceMs(s, scheduleSetMs) ?? fields.scheduledTimeMs;
      return { schedule: s, dueMs, scheduleSetMs, nowMs: Math.max(dueMs, scheduleSetMs) + pastDueMs, ...policy };
    });

  test("accounts for every occurrence up to now exactly once, and goes on with the next", () => {
    fc.assert(
      fc.property(situations, (given) => {
        const { schedule: s, dueMs, nowMs } = given;
        const { claim, missed: lost, nextMs } = settle(given);
        const settledUntilMs = Math.max(nowMs, dueMs);
        expect((claim === undefined ? 0 : 1) + (lost?.count ?? 0)).toBe(countOccurrences(s, dueMs, settledUntilMs));
        const lastMs = claim?.scheduledTimeMs ?? lost!.lastMs;
        expect(lastMs).toBe(s.latest(settledUntilMs)?.timeMs);
        expect(nextMs).toBe(s.next(lastMs)?.timeMs);
        expect(nextMs ?? Number.POSITIVE_INFINITY).toBeGreaterThan(settledUntilMs);
        if (lost === undefined) {
          expect(claim!.scheduledTimeMs).toBe(dueMs);
        } else {
          expect(lost.firstMs).toBe(dueMs);
          expect(isOccurrence(s, lost.lastMs)).toBe(true);
          expect(countOccurrences(s, lost.firstMs, lost.lastMs)).toBe(lost.count);
          if (claim !== undefined) expect(s.next(lost.lastMs)?.timeMs).toBe(claim.scheduledTimeMs);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("calls it a catch-up exactly when something was missed", () => {
    fc.assert(
      fc.property(situations, (given) => {
        const { claim, missed: lost } = settle(given);
        const lateMs = given.nowMs - Math.max(given.dueMs, given.scheduleSetMs);
        const isMissed = lateMs > given.missedAfterMs || lost !== undefined;
        if (claim !== undefined) expect(claim.trigger).toBe(isMissed ? "CATCH_UP" : "SCHEDULE");
      }),
      { numRuns: 3000 },
    );
  });

  test("settling again at the same instant finds nothing to do but wait", () => {
    fc.assert(
      fc.property(situations, (given) => {
        const { nextMs } = settle(given);
        if (nextMs !== undefined) expect(nextMs).toBeGreaterThan(given.nowMs);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("the first occurrence", () => {
  test.each<[string, Schedule, string, string | undefined]>([
    ["once, to come", ONCE, "2025-12-31T00:00:00Z", "2026-01-01T09:00:00Z"],
    ["once, past: it runs now", ONCE, "2026-03-01T00:00:00Z", "2026-01-01T09:00:00Z"],
    ["recurring, to come", DAILY, "2025-12-01T00:00:00Z", "2026-01-01T09:00:00Z"],
    ["recurring, from an anchor in the past", DAILY, "2026-03-01T09:00:00.001Z", "2026-03-02T09:00:00Z"],
    ["recurring, this very instant", DAILY, "2026-03-01T09:00:00Z", "2026-03-01T09:00:00Z"],
    ["recurring, with no more to come", LAST, "9999-12-31T10:00:00Z", undefined],
  ])("%s", (_what, s, now, expected) => {
    expect(firstOccurrenceMs(s, ms(now))).toBe(expected === undefined ? undefined : ms(expected));
  });

  test("a fraction of a millisecond is not ignored", () => {
    expect(firstOccurrenceMs(DAILY, ms("2026-03-01T09:00:00Z") + 0.5)).toBe(ms("2026-03-02T09:00:00Z"));
  });

  test("once outside the years there are never fires", () => {
    const tooLateMs = ms("9999-12-31T23:59:59.999Z") + 1;
    const tooLate = compileSchedule({ scheduledTimeMs: tooLateMs, recurrence: "ONCE", timeZone: "UTC" });
    expect(firstOccurrenceMs(tooLate, 0)).toBeUndefined();
  });
});
