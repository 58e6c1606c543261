import { countOccurrences, latestOccurrenceMs, nextOccurrenceMs, type Schedule } from "./schedule/schedule.js";

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
  const latestMs = Math.max(latestOccurrenceMs(schedule, nowMs) ?? cursorMs, cursorMs);
  const next = withNext(nextOccurrenceMs(schedule, latestMs));
  if (latestMs === cursorMs && nowMs - Math.max(cursorMs, armedMs) <= missedAfterMs) {
    return { run: { scheduledTimeMs: cursorMs, trigger: "SCHEDULE" }, ...next };
  }
  if (nowMs - Math.max(latestMs, armedMs) > catchUpWindowMs) {
    return { missed: missedBetween(schedule, cursorMs, latestMs), ...next };
  }
  const run = { scheduledTimeMs: latestMs, trigger: "CATCH_UP" } as const;
  if (latestMs === cursorMs) return { run, ...next };
  const lastMissedMs = latestOccurrenceMs(schedule, latestMs - 1) ?? cursorMs;
  return { run, missed: missedBetween(schedule, cursorMs, Math.max(lastMissedMs, cursorMs)), ...next };
}

/**
 * The cursor a schedule starts with when a user creates or edits it at `nowMs`. Once: its time, also when it is past.
 * Recurring: the first occurrence that is not past; the scheduled time is an anchor. Undefined: it never fires.
 */
export function firstCursorMs(s: Schedule, nowMs: number): number | undefined {
  return nextOccurrenceMs(s, s.recurrence === "ONCE" ? s.scheduledTimeMs - 1 : Math.ceil(nowMs) - 1);
}

function withNext(nextMs: number | undefined): Pick<Settlement, "nextMs"> {
  return nextMs === undefined ? {} : { nextMs };
}

function missedBetween(schedule: Schedule, firstMs: number, lastMs: number): NonNullable<Settlement["missed"]> {
  // The cursor is one by definition, also should the time zone database have changed since it was set.
  return { firstMs, lastMs, count: 1 + countOccurrences(schedule, firstMs + 1, lastMs) };
}
