import type { EndReason } from "./end-reason.js";
import type { LedgerEvent, LedgerEventType } from "./events.js";
import { executionRow, NOW_MS } from "./execution-row.fixture.js";
import type { ExecutionRow } from "./execution-row.js";
import { claimFence } from "./fence.js";
import { type Phase, phaseOf } from "./phase.js";
import { EXECUTION_STATES } from "./states.js";
import { openOccurrence, transition } from "./transition.js";
import { TRANSITIONS } from "./transitions.js";

const outcome = { startTimeMs: NOW_MS + 2, endTimeMs: NOW_MS + 3, error: "", httpStatus: 0 };
const nowMs = NOW_MS + 5;

/** One event of each type. Reports name the claim that was granted under fence 1. */
const EVENTS: Readonly<Record<LedgerEventType, LedgerEvent>> = {
  CLAIM: { type: "CLAIM", incarnation: 2, schedulerId: "two", nowMs },
  TAKE_OVER: { type: "TAKE_OVER", incarnation: 2, schedulerId: "two", nowMs },
  BEGIN: { type: "BEGIN", fence: 1, startTimeMs: NOW_MS + 2 },
  SUCCEED: { type: "SUCCEED", fence: 1, ...outcome },
  FAIL: { type: "FAIL", fence: 1, failures: 1, isTargetGone: false, ...outcome, error: "HTTP 500" },
  ABORT: { type: "ABORT", fence: 1, ...outcome },
  RETRY_LATER: { type: "RETRY_LATER", fence: 1, failures: 1, retryTimeMs: nowMs + 500, ...outcome },
  HAND_BACK: { type: "HAND_BACK", fence: 1, retryTimeMs: nowMs + 500, error: "too much waits" },
  CANCEL: { type: "CANCEL", nowMs },
  WITHDRAW: { type: "WITHDRAW", reason: "TASK_PAUSED", nowMs },
  MISS: { type: "MISS", reason: "NOT_RUN_IN_TIME", nowMs, count: 3, untilMs: NOW_MS + 2 },
  GIVE_UP: { type: "GIVE_UP", reason: "SCHEDULER_LOST", nowMs },
  SKIP: { type: "SKIP", reason: "OVERLAP", nowMs },
  REOPEN: { type: "REOPEN", taskName: "renamed", trigger: "CATCH_UP" },
  RETRY: { type: "RETRY" },
};
const REPORTS: readonly LedgerEventType[] = ["BEGIN", "SUCCEED", "FAIL", "ABORT", "RETRY_LATER", "HAND_BACK"];
const PHASES: readonly Phase[] = [...EXECUTION_STATES, "WITHDRAWN"];
const REASONS: Partial<Record<Phase, EndReason>> = {
  CANCELLED: "CANCELLED_BY_USER",
  WITHDRAWN: "TASK_PAUSED",
  MISSED: "NOT_RUN_IN_TIME",
  SKIPPED: "OVERLAP",
};

/** A row whose claim was granted under fence 1, and was taken back where the phase says so. */
function rowIn(phase: Phase): ExecutionRow {
  const endReason = REASONS[phase] ?? null;
  const state = phase === "WITHDRAWN" ? "CANCELLED" : phase;
  const ended = endReason === null ? {} : { fence: 2, endTimeMs: NOW_MS + 1 };
  return executionRow({ state, endReason, ...ended, ...(phase === "RUNNING" ? { startTimeMs: NOW_MS } : {}) });
}

function after(row: ExecutionRow, ...events: LedgerEvent[]): ExecutionRow {
  return events.reduce((current, event) => transition(current, event)?.row ?? current, row);
}

describe("each event in each phase", () => {
  const cases = PHASES.flatMap((phase) => Object.values(EVENTS).map((event) => ({ phase, type: event.type, event })));

  it.each(cases)("$type of $phase does what the table says", ({ phase, type, event }) => {
    const row = rowIn(phase);
    expect(phaseOf(row)).toBe(phase);
    const rule = TRANSITIONS[type][phase];
    const next = transition(row, event);
    if (rule === undefined) {
      expect(next?.row).toBe(REPORTS.includes(type) ? row : undefined);
      return;
    }
    expect(next!.row).not.toBe(row);
    expect(phaseOf(next!.row)).toBe(rule.to);
    expect(next!.effects).toBe(rule.effects);
    const fences = { KEPT: row.fence, RAISED: row.fence + 1, TAKEN_BACK: 2 };
    expect(next!.row.fence).toBe(fences[rule.fence]);
  });

  it.each(cases)("$type of $phase leaves the row that was given as it was", ({ phase, event }) => {
    const row = rowIn(phase);
    transition(row, event);
    expect(row).toEqual(rowIn(phase));
  });
});

describe("the fence of a report", () => {
  it.each(PHASES)("decides in %s whether it is about the latest claim", (phase) => {
    const row = rowIn(phase);
    for (const fence of [0, 3]) {
      for (const type of REPORTS) {
        if (fence === claimFence(row)) continue;
        expect(transition(row, { ...EVENTS[type], fence } as LedgerEvent)).toBeUndefined();
      }
    }
  });

  it("of a claim that was taken over is refused", () => {
    const taken = after(rowIn("RUNNING"), EVENTS.TAKE_OVER);
    expect(taken).toMatchObject({ state: "CLAIMED", fence: 2, attempt: 2, schedulerId: "two" });
    expect(transition(taken, EVENTS.SUCCEED)).toBeUndefined();
    expect(transition(taken, { ...EVENTS.SUCCEED, fence: 2 } as LedgerEvent)).toBeDefined();
  });
});

describe("a late report", () => {
  it("wins over the row that ended without the run, says both, and is the last word", () => {
    const ran = after(rowIn("WITHDRAWN"), EVENTS.SUCCEED);
    expect(ran).toMatchObject({ state: "SUCCEEDED", fence: 2, endReason: "TASK_PAUSED", startTimeMs: NOW_MS + 2 });
    expect(transition(ran, EVENTS.SUCCEED)?.row).toBe(ran);
    expect(transition(ran, EVENTS.FAIL)?.row).toBe(ran);
  });

  it("of a beginning lets users cancel the run, and its holder say how it ended", () => {
    const begun = after(rowIn("MISSED"), EVENTS.BEGIN);
    expect(begun).toMatchObject({ state: "RUNNING", fence: 2, missedCount: 0, endTimeMs: null });
    expect(claimFence(begun)).toBe(1);
    const cancelled = after(begun, EVENTS.CANCEL);
    expect(cancelled).toMatchObject({ state: "CANCELLED", fence: 2, endReason: "CANCELLED_BY_USER" });
    expect(after(cancelled, EVENTS.ABORT).attempts).toMatch('"state":"CANCELLED"');
    expect(after(begun, EVENTS.RETRY_LATER, EVENTS.CLAIM)).toMatchObject({ fence: 3, endReason: null });
  });

  it("of a failure is retried by nobody but a user, under a fence that no scheduler has seen", () => {
    const failed = after(rowIn("WITHDRAWN"), EVENTS.FAIL);
    expect(failed).toMatchObject({ state: "FAILED", fence: 2 });
    expect(after(failed, EVENTS.RETRY, EVENTS.CLAIM)).toMatchObject({ state: "CLAIMED", fence: 3 });
  });
});

describe("an occurrence", () => {
  const key = { taskId: 7, scheduledTimeMs: NOW_MS };

  it("without a row, or with a withdrawn one, is opened", () => {
    expect(openOccurrence(undefined, key, "seven", "SCHEDULE")).toMatchObject({ state: "PENDING", fence: 0 });
    const reopened = openOccurrence(rowIn("WITHDRAWN"), key, "renamed", "CATCH_UP");
    expect(reopened).toMatchObject({
      state: "PENDING",
      fence: 2,
      attempt: 0,
      taskName: "renamed",
      trigger: "CATCH_UP",
    });
    expect(reopened).toMatchObject({ endReason: null, endTimeMs: null, incarnation: null });
  });

  it.each(PHASES.filter((phase) => phase !== "WITHDRAWN"))("that is %s is not", (phase) => {
    expect(openOccurrence(rowIn(phase), key, "seven", "SCHEDULE")).toBeUndefined();
  });

  it("that was withdrawn after it had begun is not", () => {
    const begun = { ...rowIn("WITHDRAWN"), startTimeMs: NOW_MS };
    expect(openOccurrence(begun, key, "seven", "SCHEDULE")).toBeUndefined();
    expect(openOccurrence({ ...rowIn("WITHDRAWN"), attempts: "[]" }, key, "seven", "SCHEDULE")).toBeUndefined();
  });
});

it("a target that is gone for good pauses the task, but not by a late report", () => {
  const gone = { ...EVENTS.FAIL, isTargetGone: true } as LedgerEvent;
  expect(transition(rowIn("RUNNING"), gone)?.effects).toMatchObject({ runs: 1, pausesTask: true });
  expect(transition(rowIn("WITHDRAWN"), gone)?.effects).toMatchObject({ runs: 1, pausesTask: false });
});
