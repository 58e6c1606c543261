import type { ClaimEvent, LedgerEvent } from "./events.js";
import { executionRow, NOW_MS } from "./execution-row.fixture.js";
import type { ExecutionRow } from "./execution-row.js";
import { judgeRecorded } from "./recorded.js";
import { transition } from "./transition.js";

const DAY_MS = 86_400_000;
const claim: ClaimEvent = { type: "CLAIM", incarnation: 2, schedulerId: "two", nowMs: NOW_MS };
const reminder = { callsTarget: false, isNextDue: false };

function judge(row: ExecutionRow, task: Parameters<typeof judgeRecorded>[1]["task"] = reminder): LedgerEvent {
  return judgeRecorded(row, { claim, catchUpWindowMs: DAY_MS, task });
}

describe("what a deleted task leaves behind", () => {
  const leftBehind = (row: ExecutionRow) => transition(row, judge(row, null))?.row;

  it("was missed where it was due and nothing is known to have begun it, and is withdrawn else", () => {
    expect(leftBehind(executionRow())).toMatchObject({ state: "MISSED", fence: 2, missedCount: 1 });
    const ahead = executionRow({ scheduledTimeMs: NOW_MS + 1 });
    const others = [ahead, executionRow({ trigger: "MANUAL" }), executionRow({ state: "PENDING" })];
    for (const row of [...others, executionRow({ state: "RETRYING", startTimeMs: NOW_MS - 5 })]) {
      const left = leftBehind(row);
      expect(left).toMatchObject({ state: "CANCELLED", fence: 2, endReason: "TASK_DELETED" });
    }
  });

  it("failed where it had begun: how it ended is not known", () => {
    const running = executionRow({ state: "RUNNING", startTimeMs: NOW_MS - 5 });
    expect(leftBehind(running)).toMatchObject({ state: "FAILED", fence: 2, endReason: null });
  });
});

describe("a recorded execution", () => {
  const yesterday = executionRow({ scheduledTimeMs: NOW_MS - DAY_MS - 1 });

  it("that waits is claimed, and one whose scheduler is lost is taken over", () => {
    expect(judge(executionRow({ state: "PENDING" }))).toBe(claim);
    expect(judge(executionRow())).toEqual({ ...claim, type: "TAKE_OVER" });
    expect(judge({ ...yesterday, state: "RUNNING", startTimeMs: NOW_MS })).toMatchObject({ type: "TAKE_OVER" });
  });

  it("is given up after the catch-up window, and by a lost scheduler also when a later one is due", () => {
    expect(judge(yesterday)).toMatchObject({ type: "GIVE_UP", reason: "SCHEDULER_LOST" });
    expect(judge(executionRow(), { ...reminder, isNextDue: true })).toMatchObject({ reason: "SCHEDULER_LOST" });
    expect(judge({ ...yesterday, state: "RETRYING", attempts: "[]" })).toMatchObject({ reason: "TOO_LATE" });
  });

  it("that a user asked for, or that has begun, is never too late", () => {
    expect(judge({ ...yesterday, trigger: "MANUAL" })).toMatchObject({ type: "TAKE_OVER" });
    expect(judge({ ...yesterday, state: "PENDING" })).toBe(claim);
    const retrying = { ...yesterday, state: "RETRYING" as const, startTimeMs: NOW_MS - 5 };
    expect(judge(retrying, { ...reminder, callsTarget: true })).toBe(claim);
  });

  it("that waits for a retry is withdrawn when its task calls nothing any more", () => {
    const retrying = executionRow({ state: "RETRYING", startTimeMs: NOW_MS - 5 });
    expect(judge(retrying)).toMatchObject({ type: "WITHDRAW", reason: "TARGET_REMOVED" });
  });
});
