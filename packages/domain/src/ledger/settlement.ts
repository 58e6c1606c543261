import type { Schedule } from "../schedule/schedule.js";

/** Missed occurrences are counted exactly up to this number. A schedule that has to walk through them stops there. */
export const MISSED_COUNT_CAP = 100_000;

/** A task whose next occurrence is due or nearly due, and the rules to judge it by. All times are epoch milliseconds. */
export interface SettlementInput {
  readonly schedule: Schedule;
  /** The task's next occurrence: the first one that is not yet accounted for. */
  readonly dueMs: number;
  /** When a user last set the schedule. An earlier occurrence could not have run on time, so its lateness counts from here. */
  readonly scheduleSetMs: number;
  readonly nowMs: number;
  /** An occurrence that is later than this is missed. The API passes the larger of the lease and 5 s. */
  readonly missedAfterMs: number;
  /** The scheduler does not catch up on an occurrence that is later than this. */
  readonly catchUpWindowMs: number;
}

/** The verdict on a task's occurrences from the next one up to now. */
export interface Settlement {
  /** The occurrence to claim, if any. */
  readonly claim?: { readonly scheduledTimeMs: number; readonly trigger: "SCHEDULE" | "CATCH_UP" };
  /** The occurrences that never run, from the first to the last, both inclusive. */
  readonly missed?: { readonly firstMs: number; readonly lastMs: number; readonly count: number };
  /** The task's next occurrence after these. Absent: the schedule has no more. */
  readonly nextMs?: number;
}

/**
 * Settles a task's occurrences up to now. Each occurrence is claimed or missed, and none twice.
 *
 * The next occurrence is missed when it is later than `missedAfterMs`, or when a later one is due as well. An occurrence
 * that is not missed is claimed; it may still lie ahead. After a misfire the latest due occurrence is claimed as
 * `CATCH_UP` if it lies within the catch-up window, and all others count as missed (misfire policy FIRE_ONCE). The length
 * of an outage does not matter: one decision covers all of it.
 */
export function settle(input: SettlementInput): Settlement {
  const { schedule, dueMs, scheduleSetMs, nowMs, missedAfterMs, catchUpWindowMs } = input;
  const latestMs = Math.max(schedule.latest(nowMs)?.timeMs ?? dueMs, dueMs);
  const next = withNext(schedule.next(latestMs)?.timeMs);
  if (latestMs === dueMs && nowMs - Math.max(dueMs, scheduleSetMs) <= missedAfterMs) {
    return { claim: { scheduledTimeMs: dueMs, trigger: "SCHEDULE" }, ...next };
  }
  if (nowMs - Math.max(latestMs, scheduleSetMs) > catchUpWindowMs) {
    return { missed: missedBetween(schedule, dueMs, latestMs), ...next };
  }
  const claim = { scheduledTimeMs: latestMs, trigger: "CATCH_UP" } as const;
  if (latestMs === dueMs) return { claim, ...next };
  const lastMissedMs = schedule.latest(latestMs - 1)?.timeMs ?? dueMs;
  return { claim, missed: missedBetween(schedule, dueMs, Math.max(lastMissedMs, dueMs)), ...next };
}

function withNext(nextMs: number | undefined): Pick<Settlement, "nextMs"> {
  return nextMs === undefined ? {} : { nextMs };
}

function missedBetween(schedule: Schedule, firstMs: number, lastMs: number): NonNullable<Settlement["missed"]> {
  // The next occurrence counts even when the time zone database has changed since it was computed.
  return { firstMs, lastMs, count: 1 + schedule.count(firstMs + 1, lastMs, MISSED_COUNT_CAP).count };
}
