import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { MAX_TIME_MS, MIN_TIME_MS } from "../time/time-range.js";
import { CLOCK_CHANGES } from "./clock-changes.fixture.js";
import { compileSchedule } from "./compile-schedule.js";
import { runInOtherProcess } from "./other-process.fixture.js";
import { isOccurrence, listOccurrences, type Schedule } from "./schedule.js";
import type { ScheduleFields } from "./schedule-fields.js";
import { toTranscript } from "./schedule-transcript.fixture.js";

const DAY_MS = 86_400_000;
const QUARTER_MS = 900_000;
/** How many occurrences a property walks through, with a cap that lets every kind count them exactly. */
const WALK = 30;
const CAP = 1000;
const RUNS = { numRuns: 300 };

/**
 * The promises that every kind of schedule keeps, whatever its rule. A kind's spec calls this once, with schedules of
 * the kind that come close to what is hard for it, and adds what its own rule promises.
 */
export function describeScheduleConformance(kind: string, fieldsOfKind: fc.Arbitrary<ScheduleFields>): void {
  const cases = fieldsOfKind.chain((fields) =>
    fc.record({ fields: fc.constant(fields), timeMs: createInstants(fields) }),
  );

  describe(`every schedule: ${kind}`, () => {
    test("next is strictly later, and its successors rise within the years 0001 to 9999", () => {
      fc.assert(
        fc.property(cases, ({ fields, timeMs }) => {
          const found = listOccurrences(compileSchedule(fields), timeMs, WALK).map((occurrence) => occurrence.timeMs);
          const isRising = found.every((foundMs, index) => foundMs > (found[index - 1] ?? timeMs));
          const isInRange = found.every((foundMs) => foundMs >= MIN_TIME_MS && foundMs <= MAX_TIME_MS);
          expect({ found, isRising, isInRange }).toEqual({
            found: found.map(Math.floor),
            isRising: true,
            isInRange: true,
          });
        }),
        RUNS,
      );
    });

    test("latest and next find the same occurrences", () => {
      fc.assert(
        fc.property(cases, ({ fields, timeMs }) => {
          const schedule = compileSchedule(fields);
          const found = listOccurrences(schedule, timeMs, WALK);
          const previous = [schedule.latest(timeMs), ...found].slice(0, found.length);
          expect(found.map((occurrence) => schedule.latest(occurrence.timeMs))).toEqual(found);
          expect(found.map((occurrence) => schedule.latest(occurrence.timeMs + 0.5))).toEqual(found);
          expect(found.map((occurrence) => schedule.latest(occurrence.timeMs - 0.5))).toEqual(previous);
          expect(found.map((occurrence) => schedule.next(occurrence.timeMs - 1))).toEqual(found);
          expect(found.map((occurrence) => schedule.next(occurrence.timeMs - 0.5))).toEqual(found);
        }),
        RUNS,
      );
    });

    test("latest is not later, and next goes on after it", () => {
      fc.assert(
        fc.property(cases, ({ fields, timeMs }) => {
          const schedule = compileSchedule(fields);
          const latest = schedule.latest(timeMs);
          expect(isOccurrence(schedule, timeMs)).toBe(latest?.timeMs === timeMs);
          if (latest === undefined) return;
          expect(latest.timeMs).toBeLessThanOrEqual(timeMs);
          expect(schedule.next(latest.timeMs - 1)).toEqual(latest);
          expect(schedule.next(latest.timeMs)).toEqual(schedule.next(timeMs));
        }),
        RUNS,
      );
    });

    test("no occurrence lies between two neighbours, in the hours after the first least of all", () => {
      fc.assert(
        fc.property(cases, fc.double({ min: 0, max: 1, noNaN: true }), ({ fields, timeMs }, part) => {
          const schedule = compileSchedule(fields);
          const latest = schedule.latest(timeMs);
          const fromMs = latest?.timeMs ?? Math.max(timeMs, MIN_TIME_MS - 1);
          const next = schedule.next(fromMs);
          const lastMs = next === undefined ? MAX_TIME_MS : next.timeMs - 1;
          const quartersMs = Array.from({ length: 12 }, (_, index) => fromMs + index * QUARTER_MS);
          const betweenMs = [...quartersMs, fromMs + Math.floor((lastMs - fromMs) * part)].filter(
            (candidateMs) => candidateMs <= lastMs,
          );
          expect(betweenMs.map((candidateMs) => schedule.next(candidateMs))).toEqual(betweenMs.map(() => next));
          expect(betweenMs.map((candidateMs) => schedule.latest(candidateMs))).toEqual(betweenMs.map(() => latest));
          expect(schedule.count(fromMs + 1, lastMs, CAP)).toEqual({ count: 0, exact: true });
        }),
        RUNS,
      );
    });

    test("count agrees with walking, exactly up to the cap and as a lower bound beyond", () => {
      fc.assert(
        fc.property(cases, fc.integer({ min: 1, max: WALK }), ({ fields, timeMs }, cap) => {
          const schedule = compileSchedule(fields);
          const found = listOccurrences(schedule, timeMs, WALK);
          const countUntil = (untilMs: number, capOfCount: number) => schedule.count(timeMs + 1, untilMs, capOfCount);
          const exactly = (count: number) => ({ count, exact: true });
          expect(found.map(({ timeMs: untilMs }) => countUntil(untilMs, CAP))).toEqual(
            found.map((_, index) => exactly(index + 1)),
          );
          expect(found.map(({ timeMs: untilMs }) => countUntil(untilMs - 1, CAP))).toEqual(
            found.map((_, index) => exactly(index)),
          );
          const last = found.at(-1);
          if (last === undefined) return;
          const capped = countUntil(last.timeMs, cap);
          if (capped.exact || found.length <= cap) expect(capped).toEqual(exactly(found.length));
          expect(capped.count).toBeGreaterThanOrEqual(Math.min(cap, found.length));
          expect(capped.count).toBeLessThanOrEqual(found.length);
        }),
        RUNS,
      );
    });

    test("the counts of two ranges that adjoin are the count of both", () => {
      fc.assert(
        fc.property(cases, fc.nat(4000 * DAY_MS), fc.nat(4000 * DAY_MS), ({ fields, timeMs }, first, second) => {
          const schedule = compileSchedule(fields);
          const middleMs = timeMs + first;
          const whole = schedule.count(timeMs, middleMs + second, CAP);
          const parts = [schedule.count(timeMs, middleMs, CAP), schedule.count(middleMs + 1, middleMs + second, CAP)];
          if (!whole.exact || parts.some((part) => !part.exact)) return;
          expect(parts.reduce((sum, part) => sum + part.count, 0)).toBe(whole.count);
        }),
        RUNS,
      );
    });

    test("nothing lies outside the first and the last occurrence, however far one asks", () => {
      fc.assert(
        fc.property(cases, ({ fields, timeMs }) => {
          const schedule = compileSchedule(fields);
          const earliest = schedule.next(Number.NEGATIVE_INFINITY);
          const last = schedule.latest(Number.POSITIVE_INFINITY);
          expect(earliest === undefined).toBe(last === undefined);
          expect(schedule.next(MAX_TIME_MS)).toBeUndefined();
          expect(schedule.next(Number.POSITIVE_INFINITY)).toBeUndefined();
          expect(schedule.latest(MIN_TIME_MS - 1)).toBeUndefined();
          expect(schedule.latest(Number.NEGATIVE_INFINITY)).toBeUndefined();
          expect(schedule.count(timeMs, timeMs - 1, CAP)).toEqual({ count: 0, exact: true });
          if (earliest === undefined || last === undefined) return;
          expect(schedule.latest(earliest.timeMs - 1)).toBeUndefined();
          expect(schedule.next(last.timeMs)).toBeUndefined();
          expect(schedule.count(Number.NEGATIVE_INFINITY, earliest.timeMs, CAP)).toEqual({ count: 1, exact: true });
          expect(schedule.count(last.timeMs, Number.POSITIVE_INFINITY, CAP)).toEqual({ count: 1, exact: true });
        }),
        RUNS,
      );
    });

    test("first is the first occurrence from now on; a past one only when none follows", () => {
      fc.assert(
        fc.property(cases, fc.constantFrom(0, 0.5), ({ fields, timeMs }, fraction) => {
          const schedule = compileSchedule(fields);
          const nowMs = timeMs + fraction;
          const first = schedule.first(nowMs);
          const upcoming = schedule.next(Math.ceil(nowMs) - 1);
          if (upcoming !== undefined) expect(first).toEqual(upcoming);
          else if (first !== undefined) expect(schedule.latest(nowMs)).toEqual(first);
        }),
        RUNS,
      );
    });

    test("an answer depends on no earlier question", () => {
      const questions = fieldsOfKind.chain((fields) =>
        fc.record({ fields: fc.constant(fields), timesMs: fc.array(createInstants(fields), { maxLength: 20 }) }),
      );
      const ask = (schedule: Schedule, timeMs: number) => [
        schedule.first(timeMs),
        schedule.next(timeMs),
        schedule.latest(timeMs),
        schedule.count(timeMs, timeMs + 400 * DAY_MS, CAP),
        schedule.describe(),
      ];
      fc.assert(
        fc.property(questions, ({ fields, timesMs }) => {
          const schedule = compileSchedule(fields);
          const forwards = timesMs.map((timeMs) => ask(schedule, timeMs));
          const backwards = timesMs.toReversed().map((timeMs) => ask(compileSchedule({ ...fields }), timeMs));
          expect(backwards.toReversed()).toEqual(forwards);
        }),
        RUNS,
      );
    });

    test("the description is one line of words", () => {
      fc.assert(
        fc.property(fieldsOfKind, (fields) => {
          expect(compileSchedule(fields).describe()).toMatch(/^[A-Z].*\S$/);
        }),
        RUNS,
      );
    });

    const sample = fc.sample(fieldsOfKind, { numRuns: 300, seed: 2026 });

    test.each(["Pacific/Apia", "America/St_Johns", "Europe/Berlin"])(
      "the machine's zone does not matter: %s",
      (timeZone) => {
        const script = `
          import { toTranscript } from "./packages/domain/src/schedule/schedule-transcript.fixture.ts";
          const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
          console.log(JSON.stringify([zone, input.map(toTranscript)]));`;
        expect(runInOtherProcess(script, sample, timeZone)).toEqual([timeZone, sample.map(toTranscript)]);
      },
      60_000,
    );
  });
}

/** Instants before, among and far behind a schedule's first occurrences, and around the clock changes of its zone. */
function createInstants({ scheduledTimeMs, timeZone }: ScheduleFields): fc.Arbitrary<number> {
  const changesMs = CLOCK_CHANGES.filter((change) => change.timeZone === timeZone).map((change) => change.timeMs);
  return fc.oneof(
    fc.integer({ min: scheduledTimeMs - 3 * DAY_MS, max: scheduledTimeMs + 3 * DAY_MS }),
    ...changesMs.map((changeMs) => fc.integer({ min: changeMs - 3 * DAY_MS, max: changeMs + 3 * DAY_MS })),
    ...changesMs.map((changeMs) => fc.integer({ min: -5, max: 5 }).map((quarters) => changeMs + quarters * QUARTER_MS)),
    fc.integer({ min: -3, max: 400 * 366 }).map((days) => scheduledTimeMs + days * DAY_MS),
    fc.integer({ min: MIN_TIME_MS, max: MAX_TIME_MS }),
  );
}
