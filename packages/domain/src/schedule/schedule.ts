import { addMonths, DAY_MS, formatWallDate, formatWallTime, monthNumber, wallDate } from "../time/calendar.js";
import { MAX_TIME_MS, MIN_TIME_MS } from "../time/time-range.js";
import { type TimeZone, timeZoneOf, type WallInstant } from "../time/time-zone.js";
import type { Recurrence } from "./recurrence.js";

/**
 * When a task runs: first at `scheduledTimeMs`, then on and on by the recurrence's step on the calendar of the zone.
 *
 * The k-th occurrence is always the first's wall time and k steps, so a day that a month lacks is its last day in that
 * month alone. Wall times that a change of the clocks skips or repeats are read as {@link TimeZone} says; the first is
 * an instant and stays it. Two occurrences at one instant are one. There are none outside the years 0001 to 9999 (UTC).
 *
 * All functions here throw a RangeError when `timeZone` is no zone, and depend on nothing but their arguments and the
 * time zone database of the running Node.js. None walks through occurrences it does not return.
 */
export interface Schedule {
  readonly scheduledTimeMs: number;
  readonly recurrence: Recurrence;
  /** As `parseTimeZone` answers it. */
  readonly timeZone: string;
}

export interface Occurrence {
  readonly timeMs: number;
  /** RFC 3339 with the zone's offset, `2026-03-08T03:30:00-04:00`; a fraction only where there is one. */
  readonly localTime: string;
  /** True when a change of the clocks skipped the wall time, so that it runs later on the clock. */
  readonly dstAdjusted: boolean;
}

type Step =
  | { readonly unit: "once" }
  | { readonly unit: "days"; readonly size: number }
  | { readonly unit: "months"; readonly size: number };

const STEPS: Readonly<Record<Recurrence, Step>> = {
  ONCE: { unit: "once" },
  DAILY: { unit: "days", size: 1 },
  WEEKLY: { unit: "days", size: 7 },
  BIWEEKLY: { unit: "days", size: 14 },
  MONTHLY: { unit: "months", size: 1 },
  QUARTERLY: { unit: "months", size: 3 },
  YEARLY: { unit: "months", size: 12 },
};

/** The first occurrence strictly later than `afterMs`; undefined when there is none. */
export function nextOccurrenceMs(s: Schedule, afterMs: number): number | undefined {
  const sequence = sequenceOf(s);
  const timeMs = sequence.at(indexAfter(sequence, afterMs))?.timeMs;
  return timeMs === undefined || timeMs > MAX_TIME_MS ? undefined : timeMs;
}

/** The last occurrence at or before `notAfterMs`; undefined when there is none. */
export function latestOccurrenceMs(s: Schedule, notAfterMs: number): number | undefined {
  const sequence = sequenceOf(s);
  const timeMs = sequence.at(indexUpTo(sequence, Math.min(notAfterMs, MAX_TIME_MS)))?.timeMs;
  return timeMs === undefined || timeMs < MIN_TIME_MS ? undefined : timeMs;
}

/** How many occurrences lie from `fromMs` to `untilMs`, both inclusive. As fast for a millennium as for a minute. */
export function countOccurrences(s: Schedule, fromMs: number, untilMs: number): number {
  const firstMs = Math.max(fromMs, MIN_TIME_MS);
  const lastMs = Math.min(untilMs, MAX_TIME_MS);
  if (!(firstMs <= lastMs)) return 0;
  const sequence = sequenceOf(s);
  const first = indexUpTo(sequence, firstMs - 1) + 1;
  const last = indexUpTo(sequence, lastMs);
  return last < first ? 0 : last - first + 1 - countTwins(s, sequence, first, last);
}

/** Whether the schedule fires at exactly this instant. */
export function isOccurrence(s: Schedule, timeMs: number): boolean {
  return latestOccurrenceMs(s, timeMs) === timeMs;
}

/** The first `count` occurrences strictly later than `afterMs`; fewer, or none, where the schedule ends. */
export function occurrences(s: Schedule, afterMs: number, count: number): Occurrence[] {
  const sequence = sequenceOf(s);
  const found: Occurrence[] = [];
  let index = indexAfter(sequence, afterMs);
  while (found.length < count) {
    const occurrence = sequence.at(index);
    if (occurrence === undefined || occurrence.timeMs > MAX_TIME_MS) break;
    index += 1;
    // Of two at one instant the later is where its own wall time says: nothing about it is adjusted.
    if (occurrence.inGap && sequence.at(index)?.timeMs === occurrence.timeMs) continue;
    found.push({
      timeMs: occurrence.timeMs,
      localTime: formatLocalTime(sequence.zone, occurrence.timeMs),
      dstAdjusted: occurrence.inGap,
    });
  }
  return found;
}

/** The occurrences of a schedule by their index, 0 for the first; their times never fall. */
interface Sequence {
  readonly zone: TimeZone;
  readonly step: Step;
  readonly firstMs: number;
  /** The first occurrence's wall time, which the others count from. */
  readonly firstWallMs: number;
  /** Undefined beyond either end, except that occurrences outside the range of years are not cut off. */
  at(index: number): WallInstant | undefined;
}

function sequenceOf(s: Schedule): Sequence {
  const zone = timeZoneOf(s.timeZone);
  const step = STEPS[s.recurrence];
  const firstMs = s.scheduledTimeMs;
  const firstWallMs = firstMs + zone.offsetMsAt(firstMs);
  return {
    zone,
    step,
    firstMs,
    firstWallMs,
    at: (index) => {
      // The first is an instant, and may be the second pass of an overlap, which its wall time could not say.
      if (index === 0) return { timeMs: firstMs, inGap: false };
      if (index < 0 || step.unit === "once") return undefined;
      return zone.resolve(
        step.unit === "days" ? firstWallMs + index * step.size * DAY_MS : addMonths(firstWallMs, index * step.size),
      );
    },
  };
}

/** The index of the first occurrence that is later and not before the range of years. */
function indexAfter(sequence: Sequence, afterMs: number): number {
  return indexUpTo(sequence, Math.min(Math.max(afterMs, MIN_TIME_MS - 1), MAX_TIME_MS)) + 1;
}

/**
 * The index of the last occurrence at or before an instant, -1 when all are later. Estimated from the wall times; as no
 * offset is a day, the estimate is wrong by two steps at most.
 */
function indexUpTo(sequence: Sequence, timeMs: number): number {
  if (timeMs < sequence.firstMs) return -1;
  if (sequence.step.unit === "once") return 0;
  let index = Math.max(estimateIndex(sequence, timeMs), 0);
  while (index > 0 && isLater(sequence, index, timeMs)) index -= 1;
  while (!isLater(sequence, index + 1, timeMs)) index += 1;
  return index;
}

function isLater(sequence: Sequence, index: number, timeMs: number): boolean {
  const occurrence = sequence.at(index);
  // Not ">": with NaN on either side the search has to end as well.
  return occurrence === undefined || !(occurrence.timeMs <= timeMs);
}

function estimateIndex(sequence: Sequence, timeMs: number): number {
  const { step, firstWallMs } = sequence;
  const wallMs = timeMs + sequence.zone.offsetMsAt(timeMs);
  switch (step.unit) {
    case "once":
      return 0;
    case "days":
      return Math.floor((wallMs - firstWallMs) / (step.size * DAY_MS));
    case "months": {
      const months = monthNumber(wallDate(wallMs)) - monthNumber(wallDate(firstWallMs));
      const index = Math.floor(months / step.size);
      return addMonths(firstWallMs, index * step.size) > wallMs ? index - 1 : index;
    }
  }
}

/**
 * How many of the occurrences from index `first` to `last` are at the instant of the one before them. Only a zone that
 * skipped a whole day has such, and only of what runs each day: the skipped day's and the next day's.
 */
function countTwins(s: Schedule, sequence: Sequence, first: number, last: number): number {
  if (s.recurrence !== "DAILY") return 0;
  let twins = 0;
  for (const gapWallMs of sequence.zone.dayGapWallsMs()) {
    const skipped = Math.ceil((gapWallMs - sequence.firstWallMs) / DAY_MS);
    if (skipped < first || skipped >= last) continue;
    if (sequence.at(skipped)?.timeMs === sequence.at(skipped + 1)?.timeMs) twins += 1;
  }
  return twins;
}

/**
 * RFC 3339 knows offsets of whole minutes only. For a local mean time of `+00:17:30` it wants "a representable time
 * zone" (section 5.8): the nearest minute, with the time of that offset, so that the text is the same instant.
 */
function formatLocalTime(zone: TimeZone, timeMs: number): string {
  const rounded = Math.round(zone.offsetMsAt(timeMs) / 60_000);
  const { year } = wallDate(timeMs + rounded * 60_000);
  // A year of four digits is all RFC 3339 has; in UTC the range of years always is.
  const minutes = year < 0 || year > 9999 ? 0 : rounded;
  const wallMs = timeMs + minutes * 60_000;
  const size = Math.abs(minutes);
  const offset = `${minutes < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
  return `${formatWallDate(wallMs)}T${formatWallTime(wallMs)}${offset}`;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
