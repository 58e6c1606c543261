import { create } from "@bufbuild/protobuf";
import { ExecutionState, ReportExecutionsRequestSchema } from "@taskscheduler/proto";
import { taskToProto } from "../tasks/task-mapper.js";
import type { WriteView } from "../writes/write-command.js";
import { WriteStage } from "../writes/write-stage.js";
import { DAY_MS, executionRow, NOW_MS, taskRow, viewOf } from "../writes/write-view.fixture.js";
import { reportCommand } from "./report-command.js";

function report(view: WriteView, fence = 1) {
  const times = { scheduledTimeMs: BigInt(NOW_MS), startTimeMs: BigInt(NOW_MS + 2), endTimeMs: BigInt(NOW_MS + 3) };
  const reports = [{ ...times, taskId: 7, fence, state: ExecutionState.SUCCEEDED }];
  const stage = new WriteStage();
  const decision = reportCommand(create(ReportExecutionsRequestSchema, { incarnation: 1, reports })).decide(
    view,
    stage,
  );
  const [accepted] = decision({ created: (row) => taskToProto(row) }).accepted;
  return { accepted, row: [...stage.executions.values(), ...stage.endings.values()][0], task: stage.moves.get(7) };
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
  expect(report(viewOf([taskRow()], [taken]))).toEqual({ accepted: false, row: undefined, task: undefined });
});

test("what ran although it was withdrawn is recorded, says both, and does not run again", () => {
  const withdrawn = executionRow({ state: "CANCELLED", fence: 2, error: "withdrawn: the task was paused" });
  const paused = taskRow({ state: "PAUSED", recurrence: "DAILY", nextRunTimeMs: NOW_MS });
  const { accepted, row, task } = report(viewOf([paused], [withdrawn]));
  expect(accepted).toBe(true);
  expect(row).toMatchObject({ state: "SUCCEEDED", error: "ran; too late to be withdrawn: the task was paused" });
  expect(task).toMatchObject({ state: "PAUSED", nextRunTimeMs: NOW_MS + DAY_MS });
});

test("a report that is sent again is accepted and counts once", () => {
  const ended = executionRow({ state: "SUCCEEDED", startTimeMs: NOW_MS + 2, endTimeMs: NOW_MS + 3 });
  expect(report(viewOf([taskRow()], [ended]))).toEqual({ accepted: true, row: undefined, task: undefined });
});

test("a report of what was never claimed is refused", () => {
  expect(report(viewOf([taskRow()])).accepted).toBe(false);
});
