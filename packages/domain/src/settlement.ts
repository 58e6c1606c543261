import type { Schedule } from "./schedule/schedule.js";

/** Missed occurrences are counted exactly up to this number. A schedule that has to walk through them stops there. */
export const MISSED_COUNT_CAP = 100_000;

/** A task whose cursor is due or nearly due, and what is needed to judge it. All times are epoch milliseconds. */
export interface SettlementInput {
  readonly schedule: Schedule;
  /** The first occurrence that is not yet accounted for. */
  readonly cursorMs: number;
  /** When a user's change armed the cursor: what lay before it could not have been on time, so lateness counts from it. */
  readonly armedMs: number;
  readonly nowMs: number;
  /** Later than this is missed: the larger of the lease and 5 s. */
  readonly missedAfterMs: number;
  /** What was missed by more than this is not made up for. */
  readonly catchUpWindowMs: number;
}

/** What becomes of the occurrences from the cursor on. */
export interface Settlement {
  /** The one that runs, if any. */
  readonly run?: { readonly scheduledTimeMs: number; readonly trigger: "SCHEDULE" | "CATCH_UP" };
  /** Those that never run, from the first to the last, both inclusive. */
  readonly missed?: { readonly firstMs: number; readonly lastMs: number; readonly count: number };
  /** The new cursor; absent: no more occurrences. */
  readonly nextMs?: number;
}

/**
 * Settles the occurrences from the cursor up to now: every one runs or is missed, none twice.
 *
 * The cursor's is missed if it is later than `missedAfterMs`, or if a later one is due as well. If it is not (it may even
 * lie ahead), it runs. If it is, the latest one due runs late, as `CATCH_UP`, provided that it is within the window, and
 * all others count as missed (the misfire policy FIRE_ONCE). One decision, however long the outage was.
 */
export function settle(input: SettlementInput): Settlement {
  const { schedule, cursorMs, armedMs, nowMs, missedAfterMs, catchUpWindowMs } = input;
  const latestMs = Math.max(schedule.latest(nowMs)?.timeMs ?? cursorMs, cursorMs);
  const next = withNext(schedule.next(latestMs)?.timeMs);
  if (latestMs === cursorMs && nowMs - Math.max(cursorMs, armedMs) <= missedAfterMs) {
    return { run: { scheduledTimeMs: cursorMs, trigger: "SCHEDULE" }, ...next };
  }
  if (nowMs - Math.max(latestMs, armedMs) > catchUpWindowMs) {
    return { missed: missedBetween(schedule, cursorMs, latestMs), ...next };
  }
  const run = { scheduledTimeMs: latestMs, trigger: "CATCH_UP" } as const;
  if (latestMs === cursorMs) return { run, ...next };
  const lastMissedMs = schedule.latest(latestMs - 1)?.timeMs ?? cursorMs;
  return { run, missed: missedBetween(schedule, cursorMs, Math.max(lastMissedMs, cursorMs)), ...next };
}

/** The cursor of a schedule that a user creates or edits at `nowMs`; undefined when the schedule never fires. */
export function firstCursorMs(s: Schedule, nowMs: number): number | undefined {
  return s.first(nowMs)?.timeMs;
}

function withNext(nextMs: number | undefined): Pick<Settlement, "nextMs"> {
  return nextMs === undefined ? {} : { nextMs };
}

function missedBetween(schedule: Schedule, firstMs: number, lastMs: number): NonNullable<Settlement["missed"]> {
  // The cursor is one by definition, also should the time zone database have changed since it was set.
  return { firstMs, lastMs, count: 1 + schedule.count(firstMs + 1, lastMs, MISSED_COUNT_CAP).count };
}
