/**
 * A schedule says when a task runs. Each kind of schedule, such as a single time or a fixed recurrence, implements this
 * interface, and nothing outside this folder asks for the kind.
 *
 * A schedule is pure: its answers depend on the task's fields, on the arguments and on the time zone database of the
 * running Node.js, and on no clock. Every instant is in epoch milliseconds, UTC. All methods accept any number,
 * infinities included. No occurrence lies outside the years 0001 to 9999 (UTC), and no two occurrences share an
 * instant.
 *
 * Claims ask thousands of schedules a second, so an occurrence holds numbers only. `formatLocalTime` renders its local
 * time for the few callers that show one.
 */
export interface Schedule {
  /**
   * The occurrence with which a task starts when a user saves the schedule at `nowMs`; undefined when it never fires.
   *
   * A recurring schedule starts with its first occurrence at or after `nowMs`: its scheduled time is an anchor, and
   * occurrences before `nowMs` are nobody's. A schedule for one time starts with that time even when it is past.
   */
  first(nowMs: number): Occurrence | undefined;

  /** The first occurrence strictly later than `afterMs`; undefined when there is none. */
  next(afterMs: number): Occurrence | undefined;

  /** The last occurrence at or before `notAfterMs`; undefined when there is none. */
  latest(notAfterMs: number): Occurrence | undefined;

  /**
   * How many occurrences lie from `fromMs` to `untilMs`, both inclusive.
   *
   * @param cap the number of occurrences after which a schedule that has to walk through them stops. Every count up to
   *   the cap is exact. A schedule that computes its count ignores the cap and is always exact.
   */
  count(fromMs: number, untilMs: number, cap: number): OccurrenceCount;

  /** The schedule in English words, on one line, with its time zone. */
  describe(): string;
}

/** One instant at which a schedule fires. */
export interface Occurrence {
  readonly timeMs: number;
  /** True when the occurrence's wall time falls into a gap of its zone's clocks, so that it runs later on the clock. */
  readonly dstAdjusted: boolean;
}

export interface OccurrenceCount {
  /** The number of occurrences, or a lower bound of it that is at least the cap. */
  readonly count: number;
  /** False when `count` is a lower bound. */
  readonly exact: boolean;
}

/** Whether the schedule fires at exactly this instant. */
export function isOccurrence(schedule: Schedule, timeMs: number): boolean {
  return schedule.latest(timeMs)?.timeMs === timeMs;
}

/** The first `limit` occurrences strictly later than `afterMs`, in order; fewer when the schedule ends before. */
export function listOccurrences(schedule: Schedule, afterMs: number, limit: number): Occurrence[] {
  const found: Occurrence[] = [];
  let occurrence = limit > 0 ? schedule.next(afterMs) : undefined;
  while (occurrence !== undefined) {
    found.push(occurrence);
    occurrence = found.length < limit ? schedule.next(occurrence.timeMs) : undefined;
  }
  return found;
}
