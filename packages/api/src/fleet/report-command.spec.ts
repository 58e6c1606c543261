import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { attemptsOf, type Webhook } from "@taskscheduler/domain";
import {
  AttemptFailure,
  type ExecutionReportSchema,
  ExecutionState,
  ReportExecutionsRequestSchema,
} from "@taskscheduler/proto";
import { taskToProto } from "../tasks/task-mapper.js";
import type { WriteView } from "../writes/write-command.js";
import { WriteStage } from "../writes/write-stage.js";
import { DAY_MS, executionRow, NOW_MS, taskRow, viewOf } from "../writes/write-view.fixture.js";
import { reportCommand } from "./report-command.js";

function report(view: WriteView, fence = 1, more: MessageInitShape<typeof ExecutionReportSchema> = {}) {
  const times = { scheduledTimeMs: BigInt(NOW_MS), startTimeMs: BigInt(NOW_MS + 2), endTimeMs: BigInt(NOW_MS + 3) };
  const reports = [{ ...times, taskId: 7, fence, state: ExecutionState.SUCCEEDED, ...more }];
  const stage = new WriteStage();
  const decision = reportCommand(create(ReportExecutionsRequestSchema, { incarnation: 1, reports })).decide(
    view,
    stage,
  );
  const [accepted] = decision({ created: (row) => taskToProto(row) }).accepted;
  const row = [...stage.executions.values(), ...stage.endings.values()][0];
  return { accepted, row, task: stage.moves.get(7), told: stage.taskChanges[0] };
}

test("an ended run is recorded, and completes a task that has no further occurrence", () => {
  const { accepted, row, task } = report(viewOf([taskRow({ nextRunTimeMs: null })], [executionRow()]));
  expect(accepted).toBe(true);
  expect(row).toMatchObject({ state: "SUCCEEDED", startTimeMs: NOW_MS + 2, endTimeMs: NOW_MS + 3 });
  expect(task).toMatchObject({ state: "COMPLETED", runCount: 1, lastRunTimeMs: NOW_MS });
});

test("a manual run completes nothing", () => {
  const view = viewOf([taskRow({ nextRunTimeMs: null })], [executionRow({ trigger: "MANUAL" })]);
  expect(report(view).task).toMatchObject({ state: "ACTIVE", runCount: 1 });
});

test("the ledger outlives the task", () => {
  expect(report(viewOf([], [executionRow()]))).toMatchObject({ accepted: true, row: { state: "SUCCEEDED" } });
});

test("a report under an old fence is refused", () => {
  const taken = executionRow({ fence: 2, incarnation: 2 });
  expect(report(viewOf([taskRow()], [taken]))).toMatchObject({ accepted: false, row: undefined, task: undefined });
});

test("what ran although it was withdrawn is recorded, says both, and does not run again", () => {
  const error = "withdrawn: the task was paused";
  const withdrawn = executionRow({ state: "CANCELLED", fence: 2, error, endReason: "TASK_PAUSED" });
  const paused = taskRow({ state: "PAUSED", recurrence: "DAILY", nextRunTimeMs: NOW_MS });
  const { accepted, row, task } = report(viewOf([paused], [withdrawn]));
  expect(accepted).toBe(true);
  expect(row).toMatchObject({ state: "SUCCEEDED", error: "ran although it was withdrawn: the task was paused" });
  expect(task).toMatchObject({ state: "PAUSED", nextRunTimeMs: NOW_MS + DAY_MS });
});

test("a report that is sent again is accepted and counts once", () => {
  const ended = executionRow({ state: "SUCCEEDED", startTimeMs: NOW_MS + 2, endTimeMs: NOW_MS + 3 });
  expect(report(viewOf([taskRow()], [ended]))).toMatchObject({ accepted: true, row: undefined, task: undefined });
});

test("a report of what was never claimed is refused", () => {
  expect(report(viewOf([taskRow()])).accepted).toBe(false);
});

describe("of a task that calls a target", () => {
  const webhook: Webhook = {
    ...{ url: "https://example.com/", method: "POST", headers: {}, body: "", secretName: "", contentMode: "BINARY" },
  };
  const task = taskRow({ webhook, nextRunTimeMs: null });
  const failed = { state: ExecutionState.FAILED, error: "HTTP 503", httpStatus: 503, failure: AttemptFailure.RESPONSE };

  test("a failure waits to be tried again, and the task is not done yet", () => {
    const { accepted, row, task: moved } = report(viewOf([task], [executionRow()]), 1, failed);
    expect(accepted).toBe(true);
    expect(row).toMatchObject({ state: "RETRYING", failures: 1, startTimeMs: NOW_MS + 2, endTimeMs: null, fence: 1 });
    expect(row!.retryTimeMs).toBeGreaterThanOrEqual(NOW_MS);
    expect(row!.retryTimeMs).toBeLessThanOrEqual(NOW_MS + 1_000);
    expect(attemptsOf(row!)).toMatchObject([{ attempt: 1, state: "FAILED", httpStatus: 503, error: "HTTP 503" }]);
    expect(moved).toBeUndefined();
  });

  test("the same report, sent again, spends no retry", () => {
    const first = report(viewOf([task], [executionRow()]), 1, failed).row!;
    expect(report(viewOf([task], [first]), 1, failed)).toMatchObject({ accepted: true, row: undefined });
  });

  test("the last failure is final, and every attempt is told", () => {
    let row = executionRow();
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      row = { ...row, state: "CLAIMED", attempt, fence: attempt };
      row = report(viewOf([task], [row]), attempt, failed).row!;
    }
    expect(row).toMatchObject({ state: "FAILED", failures: 5, retryTimeMs: null, endTimeMs: NOW_MS + 3 });
    expect(attemptsOf(row).map((each) => each.attempt)).toEqual([1, 2, 3, 4, 5]);
  });

  test("success after a failure keeps the first start, and both attempts", () => {
    const first = report(viewOf([task], [executionRow()]), 1, failed).row!;
    const claimed = { ...first, state: "CLAIMED" as const, attempt: 2, fence: 2 };
    const later = { startTimeMs: BigInt(NOW_MS + 900), endTimeMs: BigInt(NOW_MS + 950), httpStatus: 204 };
    const { row, task: moved } = report(viewOf([task], [claimed]), 2, later);
    expect(row).toMatchObject({ state: "SUCCEEDED", startTimeMs: NOW_MS + 2, endTimeMs: NOW_MS + 950, error: "" });
    expect(attemptsOf(row!)).toMatchObject([
      { attempt: 1, state: "FAILED", startTimeMs: NOW_MS + 2 },
      { attempt: 2, state: "SUCCEEDED", startTimeMs: NOW_MS + 900, httpStatus: 204 },
    ]);
    expect(moved).toMatchObject({ state: "COMPLETED", runCount: 1 });
  });

  test.each([
    ["an answer that is not tried again", { ...failed, httpStatus: 404 }],
    ["a target that is blocked", { ...failed, httpStatus: 0, failure: AttemptFailure.BLOCKED }],
  ])("%s is final", (_, more) => {
    const { row } = report(viewOf([task], [executionRow()]), 1, more);
    expect(row).toMatchObject({ state: "FAILED", retryTimeMs: null });
    expect(attemptsOf(row!)).toMatchObject([{ attempt: 1, state: "FAILED" }]);
  });

  test("410 pauses the task and withdraws what it has claimed", () => {
    const daily = taskRow({ webhook, recurrence: "DAILY", nextRunTimeMs: NOW_MS + DAY_MS });
    const { row, task: moved, told } = report(viewOf([daily], [executionRow()]), 1, { ...failed, httpStatus: 410 });
    expect(row).toMatchObject({ state: "FAILED", httpStatus: 410 });
    const paused = { state: "PAUSED", pauseReason: "the target answered 410 Gone", version: 2 };
    expect(moved).toMatchObject({ ...paused, runCount: 1, nextRunTimeMs: NOW_MS + DAY_MS });
    expect(told).toMatchObject({ kind: "UPDATED", row: paused });
  });

  test("that it runs is told once, and its end replaces it", () => {
    const begun = report(viewOf([task], [executionRow()]), 1, { state: ExecutionState.RUNNING });
    expect(begun).toMatchObject({
      accepted: true,
      row: { state: "RUNNING", startTimeMs: NOW_MS + 2, endTimeMs: null },
    });
    expect(attemptsOf(begun.row!)).toMatchObject([{ attempt: 1, state: "RUNNING", endTimeMs: null }]);
    expect(begun.task).toBeUndefined();
    const again = report(viewOf([task], [begun.row!]), 1, { state: ExecutionState.RUNNING });
    expect(again).toMatchObject({ accepted: true, row: undefined });
    const { row } = report(viewOf([task], [begun.row!]));
    expect(attemptsOf(row!)).toMatchObject([{ attempt: 1, state: "SUCCEEDED", endTimeMs: NOW_MS + 3 }]);
  });

  test("that it runs is told though it was withdrawn in its first moments: so it can be cancelled", () => {
    const withdrawn = executionRow({ state: "CANCELLED", fence: 2, endReason: "TASK_DELETED" });
    const { accepted, row } = report(viewOf([], [withdrawn]), 1, { state: ExecutionState.RUNNING });
    expect(accepted).toBe(true);
    expect(row).toMatchObject({ state: "RUNNING", fence: 2, endTimeMs: null, error: "" });
    expect(report(viewOf([], [row!])).row).toMatchObject({ state: "SUCCEEDED", fence: 2 });
  });

  test("what ran although its task was deleted is recorded, also where it counted as missed by then", () => {
    const endReason = "TASK_DELETED";
    const missed = executionRow({ state: "MISSED", fence: 2, missedCount: 1, missedUntilMs: NOW_MS, endReason });
    const { accepted, row } = report(viewOf([], [missed]));
    expect(accepted).toBe(true);
    expect(row).toMatchObject({
      state: "SUCCEEDED",
      fence: 2,
      missedCount: 0,
      missedUntilMs: null,
      error: "ran after it was recorded as missed",
    });
  });

  test("what is handed back waits, without an attempt, and spends no retry", () => {
    const back = { state: ExecutionState.RETRYING, retryAfterMs: 40_000, error: "too much waits for slow" };
    const { row, task: moved } = report(viewOf([task], [executionRow()]), 1, back);
    const expected = { state: "RETRYING", attempt: 0, retryTimeMs: NOW_MS + 40_000, failures: 0, startTimeMs: null };
    expect(row).toMatchObject({ ...expected, error: "too much waits for slow" });
    expect(attemptsOf(row!)).toEqual([]);
    expect(moved).toBeUndefined();
  });

  test("what a stopping scheduler broke off is made again at once, and spends no retry", () => {
    const interrupted = { ...failed, httpStatus: 0, failure: AttemptFailure.INTERRUPTED, error: "broken off" };
    const row = report(viewOf([task], [executionRow({ failures: 4 })]), 1, interrupted).row!;
    expect(row).toMatchObject({ state: "RETRYING", retryTimeMs: NOW_MS, failures: 4 });
    expect(attemptsOf(row)).toMatchObject([{ attempt: 1, state: "FAILED", error: "broken off" }]);
  });

  describe("which a user has cancelled meanwhile", () => {
    const cancelled = executionRow({
      state: "CANCELLED",
      fence: 2,
      endTimeMs: NOW_MS + 1,
      error: "cancelled by a user",
      endReason: "CANCELLED_BY_USER",
    });

    test("what was aborted says when it began, and stays cancelled", () => {
      const aborted = { state: ExecutionState.CANCELLED, error: "cancelled by a user" };
      const { accepted, row, task: moved } = report(viewOf([task], [cancelled]), 1, aborted);
      expect(accepted).toBe(true);
      expect(row).toMatchObject({
        state: "CANCELLED",
        fence: 2,
        startTimeMs: NOW_MS + 2,
        error: "cancelled by a user",
      });
      expect(attemptsOf(row!)).toMatchObject([{ attempt: 1, state: "CANCELLED", endTimeMs: NOW_MS + 3 }]);
      expect(moved).toBeUndefined();
      expect(report(viewOf([task], [row!]), 1, aborted)).toMatchObject({ accepted: true, row: undefined });
    });

    test("what failed is not tried again", () => {
      expect(report(viewOf([task], [cancelled]), 1, failed).row).toMatchObject({ state: "CANCELLED", fence: 2 });
    });

    test("what had succeeded has succeeded, and says both", () => {
      const { row, task: moved } = report(viewOf([task], [cancelled]));
      expect(row).toMatchObject({ state: "SUCCEEDED", error: "ran although it was cancelled by a user" });
      expect(moved).toMatchObject({ state: "COMPLETED", runCount: 1 });
    });
  });
});
