import { WriteStage } from "../writes/write-stage.js";
import { DAY_MS, executionRow, NOW_MS, taskRow, viewOf } from "../writes/write-view.fixture.js";
import { decideDelete, decidePause, decideResume, decideRun, decideUpdate } from "./task-decisions.js";

const AHEAD_MS = NOW_MS + 800;
const claimedAhead = executionRow({ scheduledTimeMs: AHEAD_MS });

function staged() {
  const stage = new WriteStage();
  return { stage, rows: () => [...stage.executions.values()] };
}

test("a pause withdraws the claim ahead and gives its occurrence back to the cursor", () => {
  const { stage, rows } = staged();
  const task = taskRow({ recurrence: "DAILY", nextRunTimeMs: AHEAD_MS + DAY_MS });
  const paused = decidePause(task, "holiday", viewOf([task], [claimedAhead]), stage);
  expect(paused).toMatchObject({ state: "PAUSED", pauseReason: "holiday", nextRunTimeMs: AHEAD_MS, version: 2 });
  expect(rows()).toMatchObject([{ state: "CANCELLED", fence: 2, error: "withdrawn: the task was paused" }]);
});

test("a claim that is due already is not withdrawn", () => {
  const { stage, rows } = staged();
  const task = taskRow({ nextRunTimeMs: null });
  expect(decidePause(task, "", viewOf([task], [executionRow()]), stage).nextRunTimeMs).toBeNull();
  expect(rows()).toEqual([]);
});

test("a resume leaves the cursor, so that what was missed is settled by the policy", () => {
  const { stage } = staged();
  const task = taskRow({ state: "PAUSED", nextRunTimeMs: NOW_MS - DAY_MS, pauseReason: "holiday" });
  const resumed = decideResume(task, viewOf([task]), stage);
  expect(resumed).toMatchObject({ state: "ACTIVE", pauseReason: "", nextRunTimeMs: NOW_MS - DAY_MS });
});

test.each(["pause", "resume"] as const)("%s of a completed task is refused", (deed) => {
  const { stage } = staged();
  const task = taskRow({ state: "COMPLETED", nextRunTimeMs: null });
  const act = () =>
    deed === "pause" ? decidePause(task, "", viewOf([task]), stage) : decideResume(task, viewOf([task]), stage);
  expect(act).toThrow(expect.objectContaining({ reason: "TASK_COMPLETED" }));
});

test("an edit of the schedule withdraws, rearms, and makes a completed task active", () => {
  const { stage, rows } = staged();
  const task = taskRow({ state: "COMPLETED", nextRunTimeMs: null });
  const later = NOW_MS + 60_000;
  const edited = decideUpdate(task, { ...task, scheduledTimeMs: later }, viewOf([task], [claimedAhead]), stage);
  expect(edited).toMatchObject({ state: "ACTIVE", nextRunTimeMs: later, armedTimeMs: NOW_MS, version: 2 });
  expect(rows()).toMatchObject([{ state: "CANCELLED" }]);
});

test("an edit of the description withdraws nothing", () => {
  const { stage, rows } = staged();
  const task = taskRow({ recurrence: "DAILY", nextRunTimeMs: AHEAD_MS + DAY_MS });
  const edited = decideUpdate(task, { ...task, description: "new" }, viewOf([task], [claimedAhead]), stage);
  expect(edited).toMatchObject({ nextRunTimeMs: task.nextRunTimeMs, version: 2 });
  expect(rows()).toEqual([]);
});

test("an update that changes nothing is no change", () => {
  const { stage } = staged();
  const task = taskRow();
  expect(decideUpdate(task, { ...task }, viewOf([task]), stage)).toBe(task);
  expect(stage.taskChanges).toEqual([]);
});

test("a deletion withdraws claims ahead and rows that wait", () => {
  const { stage, rows } = staged();
  const task = taskRow({ nextRunTimeMs: null });
  const waiting = executionRow({ state: "PENDING", trigger: "MANUAL", scheduledTimeMs: NOW_MS - 5 });
  decideDelete(task, viewOf([task], [claimedAhead, waiting]), stage);
  expect(rows().map((row) => row.state)).toEqual(["CANCELLED", "CANCELLED"]);
});

test("a manual run takes the first millisecond that is neither in the ledger nor an occurrence", () => {
  const { stage } = staged();
  const task = taskRow({ recurrence: "DAILY" });
  const taken = executionRow({ scheduledTimeMs: NOW_MS + 1, state: "SUCCEEDED" });
  const row = decideRun(task, viewOf([task], [taken]), stage);
  expect(row).toMatchObject({ scheduledTimeMs: NOW_MS + 2, trigger: "MANUAL", state: "PENDING" });
});

test.each(["edit", "deletion"])("an %s leaves a row for what was due and nobody had claimed", (deed) => {
  const { stage, rows } = staged();
  const task = taskRow({
    recurrence: "DAILY",
    scheduledTimeMs: NOW_MS - 2 * DAY_MS,
    nextRunTimeMs: NOW_MS - 2 * DAY_MS,
  });
  const view = viewOf([task]);
  if (deed === "edit") decideUpdate(task, { ...task, scheduledTimeMs: NOW_MS + 60_000 }, view, stage);
  else decideDelete(task, view, stage);
  expect(rows()).toMatchObject([
    { state: "MISSED", scheduledTimeMs: NOW_MS - 2 * DAY_MS, missedCount: 3, missedUntilMs: NOW_MS },
  ]);
});
