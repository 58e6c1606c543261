import { attemptsOf, type ExecutionRow, openOccurrence } from "@taskscheduler/domain";
import { cursorOfTask, type TaskRow } from "../tasks/task-row.js";
import { WriteStage } from "../writes/write-stage.js";
import { executionRow, NOW_MS, taskRow, viewOf } from "../writes/write-view.fixture.js";
import { decideCancel, decideRetry } from "./execution-decisions.js";

function cancel(row: ExecutionRow, task: TaskRow | null = taskRow({ nextRunTimeMs: null })) {
  const stage = new WriteStage();
  const view = viewOf(task === null ? [] : [task], [row]);
  return { row: decideCancel(row, view, stage), saved: [...stage.executions.values()], task: stage.moves.get(7) };
}

function retry(row: ExecutionRow, tasks = [taskRow({ state: "COMPLETED", nextRunTimeMs: null, runCount: 3 })]) {
  const stage = new WriteStage();
  const byId = new Map(tasks.map((task) => [task.id, cursorOfTask(task)]));
  return { row: decideRetry(row, byId, stage), saved: [...stage.executions.values()], task: stage.moves.get(7) };
}

describe("to cancel an execution", () => {
  it.each(["PENDING", "CLAIMED", "RUNNING", "RETRYING"] as const)(
    "stops one that is %s, under the next fence",
    (state) => {
      const { row, saved, task } = cancel(executionRow({ state, retryTimeMs: NOW_MS }));
      expect(row).toMatchObject({ state: "CANCELLED", fence: 2, endTimeMs: NOW_MS, retryTimeMs: null });
      expect(row.endReason).toBe("CANCELLED_BY_USER");
      expect(saved).toEqual([row]);
      expect(task).toMatchObject({ state: "COMPLETED", runCount: 0 });
    },
  );

  it("leaves a task that has more to run, and one that was run by hand", () => {
    expect(cancel(executionRow(), taskRow({ recurrence: "DAILY" })).task).toBeUndefined();
    expect(cancel(executionRow({ trigger: "MANUAL" })).task).toBeUndefined();
    expect(cancel(executionRow(), null).task).toBeUndefined();
  });

  it("does nothing to one that is cancelled, and is refused for what has ended otherwise", () => {
    const already = executionRow({ state: "CANCELLED", endReason: "TASK_PAUSED" });
    expect(cancel(already)).toEqual({ row: already, saved: [], task: undefined });
    for (const state of ["SUCCEEDED", "FAILED", "MISSED", "SKIPPED"] as const) {
      expect(() => cancel(executionRow({ state }))).toThrow(expect.objectContaining({ reason: "EXECUTION_ENDED" }));
    }
  });

  it("is for good: only what a change of the task took back comes back", () => {
    const open = (row: ExecutionRow) => openOccurrence(row, row, "seven", "SCHEDULE");
    expect(open(cancel(executionRow()).row)).toBeUndefined();
    expect(open(executionRow({ state: "CANCELLED", endReason: "SCHEDULE_CHANGED" }))).toBeDefined();
  });
});

describe("to retry an execution", () => {
  const failed = executionRow({
    ...{ state: "FAILED", fence: 4, attempt: 1, startTimeMs: NOW_MS, endTimeMs: NOW_MS + 5, failures: 1 },
    ...{ error: "HTTP 500", httpStatus: 500 },
  });

  it("lets it wait for a scheduler with its attempts anew, and keeps those it had", () => {
    const { row, saved, task } = retry(failed);
    expect(row).toMatchObject({ state: "PENDING", failures: 0, error: "", httpStatus: 0, endTimeMs: null, fence: 4 });
    expect(attemptsOf(row)).toMatchObject([{ attempt: 1, state: "FAILED", error: "HTTP 500", httpStatus: 500 }]);
    expect(saved).toEqual([row]);
    expect(task).toMatchObject({ state: "ACTIVE", runCount: 2 });
  });

  it("leaves a paused task paused, and a completed one that was run by hand completed", () => {
    expect(retry(failed, [taskRow({ state: "PAUSED" })]).task).toMatchObject({ state: "PAUSED" });
    expect(retry({ ...failed, trigger: "MANUAL" }).task).toMatchObject({ state: "COMPLETED" });
  });

  it("is refused for what has not failed, and where the task is gone", () => {
    for (const state of ["PENDING", "RUNNING", "RETRYING", "SUCCEEDED", "CANCELLED", "MISSED", "SKIPPED"] as const) {
      const reason = "EXECUTION_NOT_FAILED";
      expect(() => retry(executionRow({ state }))).toThrow(expect.objectContaining({ reason }));
    }
    expect(() => retry(failed, [])).toThrow(expect.objectContaining({ reason: "TASK_DELETED" }));
  });
});
