import { addMonths, DAY_MS, monthNumber, wallDate } from "../time/calendar.js";
import { MAX_TIME_MS, MIN_TIME_MS } from "../time/time-range.js";
import type { TimeZone, WallInstant } from "../time/time-zone.js";
import type { Recurrence } from "./recurrence.js";
import { describeRecurrence } from "./recurrence-description.js";
import type { Occurrence, Schedule } from "./schedule.js";
import type { ScheduleFields } from "./schedule-fields.js";

export type FixedStep = Exclude<Recurrence, "ONCE">;

interface Step {
  readonly unit: "day" | "month";
  readonly size: number;
}

const STEPS: Readonly<Record<FixedStep, Step>> = {
  DAILY: { unit: "day", size: 1 },
  WEEKLY: { unit: "day", size: 7 },
  BIWEEKLY: { unit: "day", size: 14 },
  MONTHLY: { unit: "month", size: 1 },
  QUARTERLY: { unit: "month", size: 3 },
  YEARLY: { unit: "month", size: 12 },
};

/** A fixed recurrence as a function from an index to an occurrence: index 0 is the anchor. */
interface Sequence {
  readonly zone: TimeZone;
  readonly step: Step;
  readonly anchorMs: number;
  /** The anchor's wall time, from which every other index counts its steps. */
  readonly anchorWallMs: number;
}

/**
 * Creates the kind of schedule that steps on the calendar of its zone from an anchor, the scheduled time.
 *
 * Occurrence k is the anchor's wall time and k steps, read as an instant by {@link TimeZone.resolve}. Occurrences count
 * from the anchor and never from each other, so a day that one month lacks is that month's last day, and the next month
 * has it again. Occurrence 0 is the anchor itself, an instant: it may lie in the second pass of an overlap, which no
 * wall time can express.
 *
 * An index gives its occurrence at once, and an instant its index by an estimate. No method walks through occurrences,
 * so `count` is always exact and takes as long for a millennium as for a minute.
 */
export function createFixedStepSchedule(fields: ScheduleFields, recurrence: FixedStep, zone: TimeZone): Schedule {
  const { scheduledTimeMs: anchorMs, timeZone } = fields;
  const anchorWallMs = anchorMs + zone.offsetMsAt(anchorMs);
  const sequence: Sequence = { zone, step: STEPS[recurrence], anchorMs, anchorWallMs };
  return {
    // The occurrence of a millisecond that has begun is past.
    first: (nowMs) => findNext(sequence, Math.ceil(nowMs) - 1),
    next: (afterMs) => findNext(sequence, afterMs),
    latest: (notAfterMs) => findLatest(sequence, notAfterMs),
    count: (fromMs, untilMs) => ({ count: countBetween(sequence, fromMs, untilMs), exact: true }),
    describe: () => describeRecurrence(recurrence, anchorWallMs, timeZone),
  };
}

function findNext(sequence: Sequence, afterMs: number): Occurrence | undefined {
  const index = indexUpTo(sequence, Math.min(Math.max(afterMs, MIN_TIME_MS - 1), MAX_TIME_MS)) + 1;
  const { timeMs, inGap } = resolve(sequence, index);
  if (timeMs > MAX_TIME_MS) return undefined;
  // The later of twins stands for both, and its own wall time was not moved.
  return { timeMs, dstAdjusted: inGap && resolve(sequence, index + 1).timeMs !== timeMs };
}

function findLatest(sequence: Sequence, notAfterMs: number): Occurrence | undefined {
  const index = indexUpTo(sequence, Math.min(notAfterMs, MAX_TIME_MS));
  if (index < 0) return undefined;
  const { timeMs, inGap } = resolve(sequence, index);
  return timeMs < MIN_TIME_MS ? undefined : { timeMs, dstAdjusted: inGap };
}

function countBetween(sequence: Sequence, fromMs: number, untilMs: number): number {
  const firstMs = Math.max(fromMs, MIN_TIME_MS);
  const lastMs = Math.min(untilMs, MAX_TIME_MS);
  if (!(firstMs <= lastMs)) return 0;
  const first = indexUpTo(sequence, firstMs - 1) + 1;
  const last = indexUpTo(sequence, lastMs);
  return last < first ? 0 : last - first + 1 - countTwins(sequence, first, last);
}

/**
 * How many occurrences from one index to another have the instant of the occurrence before them. Only a gap of a whole
 * day makes such twins, and only of a daily schedule: the skipped day's occurrence and the following day's.
 */
function countTwins(sequence: Sequence, first: number, last: number): number {
  const { zone, step, anchorWallMs } = sequence;
  if (step.unit !== "day" || step.size > 1) return 0;
  let twins = 0;
  for (const gapWallMs of zone.dayGapWallsMs()) {
    const skipped = Math.ceil((gapWallMs - anchorWallMs) / DAY_MS);
    if (skipped < first || skipped >= last) continue;
    if (resolve(sequence, skipped).timeMs === resolve(sequence, skipped + 1).timeMs) twins += 1;
  }
  return twins;
}

/** The index of the last occurrence at or before an instant; −1 when all are later. */
function indexUpTo(sequence: Sequence, timeMs: number): number {
  if (timeMs < sequence.anchorMs) return -1;
  // Every offset is smaller than a day, so the estimate is wrong by two steps at most.
  let index = Math.max(estimateIndex(sequence, timeMs), 0);
  while (index > 0 && isLater(sequence, index, timeMs)) index -= 1;
  while (!isLater(sequence, index + 1, timeMs)) index += 1;
  return index;
}

function isLater(sequence: Sequence, index: number, timeMs: number): boolean {
  // With NaN on either side this is true, so that the search ends.
  return !(resolve(sequence, index).timeMs <= timeMs);
}

/** The last index whose wall time the zone's clocks show at an instant or have shown before. */
function estimateIndex(sequence: Sequence, timeMs: number): number {
  const { zone, step, anchorWallMs } = sequence;
  const wallMs = timeMs + zone.offsetMsAt(timeMs);
  if (step.unit === "day") return Math.floor((wallMs - anchorWallMs) / (step.size * DAY_MS));
  const months = monthNumber(wallDate(wallMs)) - monthNumber(wallDate(anchorWallMs));
  const index = Math.floor(months / step.size);
  return toWallMs(sequence, index) > wallMs ? index - 1 : index;
}

/** The instant of an index. Instants never fall from one index to the next, and may leave the range of years. */
function resolve(sequence: Sequence, index: number): WallInstant {
  if (index === 0) return { timeMs: sequence.anchorMs, inGap: false };
  return sequence.zone.resolve(toWallMs(sequence, index));
}

/** The wall time of an index. */
function toWallMs({ step, anchorWallMs }: Sequence, index: number): number {
  return step.unit === "day" ? anchorWallMs + index * step.size * DAY_MS : addMonths(anchorWallMs, index * step.size);
}
