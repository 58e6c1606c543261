import { create } from "@bufbuild/protobuf";
import { attemptsOf, type ExecutionRow, type Webhook } from "@taskscheduler/domain";
import { ClaimExecutionsRequestSchema, type ClaimExecutionsResponse, ExecutionTrigger } from "@taskscheduler/proto";
import { taskToProto } from "../tasks/task-mapper.js";
import type { WriteView } from "../writes/write-command.js";
import { WriteStage } from "../writes/write-stage.js";
import { DAY_MS, executionRow, NOW_MS, taskRow, viewOf } from "../writes/write-view.fixture.js";
import { claimCommand } from "./claim-command.js";

const RULES = { missedAfterMs: 5_000, catchUpWindowMs: DAY_MS };

const WEBHOOK: Webhook = {
  ...{ url: "https://example.com/", method: "POST", headers: { a: "b" }, secretName: "", contentMode: "STRUCTURED" },
  body: '{"task":"{{task.name}}","try":{{execution.attempt}}}',
};

const defects: unknown[] = [];
const onDefect = (error: unknown) => void defects.push(error);

function claim(view: WriteView, options: { timeMs?: number; recorded?: boolean; incarnation?: number } = {}) {
  const { timeMs = NOW_MS, recorded = false, incarnation = 1 } = options;
  const occurrences = [{ taskId: 7, scheduledTimeMs: BigInt(timeMs), recorded }];
  const command = claimCommand(create(ClaimExecutionsRequestSchema, { incarnation, occurrences }), RULES, onDefect);
  const stage = new WriteStage();
  const answer: ClaimExecutionsResponse = command.decide(view, stage)({ created: (row) => taskToProto(row) });
  const needed = command.executionsNeeded?.(view) ?? [];
  return { result: answer.results[0]!, rows: [...stage.executions.values()], task: stage.moves.get(7), needed };
}

describe("a task's own next occurrence", () => {
  test("is granted, and the cursor moves on", () => {
    const { result, rows, task } = claim(viewOf([taskRow({ recurrence: "DAILY" })]));
    expect(result.grant).toMatchObject({ taskId: 7, scheduledTimeMs: BigInt(NOW_MS), fence: 1, attempt: 1 });
    expect(rows).toMatchObject([{ state: "CLAIMED", trigger: "SCHEDULE", incarnation: 1, schedulerId: "one" }]);
    expect(task).toMatchObject({ nextRunTimeMs: NOW_MS + DAY_MS, state: "ACTIVE" });
  });

  test("of a task that runs once leaves no cursor, and the task active until the run has ended", () => {
    expect(claim(viewOf([taskRow()])).task).toMatchObject({ nextRunTimeMs: null, state: "ACTIVE" });
  });

  test.each([
    ["is another by now", taskRow({ nextRunTimeMs: NOW_MS + 30_000 })],
    ["belongs to a paused task", taskRow({ state: "PAUSED" })],
    ["is far ahead", taskRow({ nextRunTimeMs: NOW_MS + 11_000, scheduledTimeMs: NOW_MS + 11_000 })],
  ])("is refused when it %s", (_, row) => {
    const { result, rows, task } = claim(viewOf([row]), { timeMs: row.state === "PAUSED" ? NOW_MS : NOW_MS + 11_000 });
    expect(result.grant).toBeUndefined();
    expect(rows).toEqual([]);
    expect(task).toBeUndefined();
  });

  test("of a deleted task is refused", () => {
    expect(claim(viewOf([])).result.grant).toBeUndefined();
  });

  test("that was withdrawn and came back is reopened under a higher fence", () => {
    const withdrawn = executionRow({ state: "CANCELLED", fence: 2, endTimeMs: NOW_MS - 500, endReason: "TASK_PAUSED" });
    const { result, rows } = claim(viewOf([taskRow()], [withdrawn]));
    expect(result.grant).toMatchObject({ fence: 3, attempt: 1 });
    expect(rows).toMatchObject([{ state: "CLAIMED", error: "", endTimeMs: null, endReason: null }]);
  });

  test("that has run already is passed over", () => {
    const ran = executionRow({ state: "SUCCEEDED", startTimeMs: NOW_MS, endTimeMs: NOW_MS });
    const { result, rows, task } = claim(viewOf([taskRow({ recurrence: "DAILY" })], [ran]));
    expect(result.grant).toBeUndefined();
    expect(rows).toEqual([]);
    expect(task).toMatchObject({ nextRunTimeMs: NOW_MS + DAY_MS });
  });

  test("asked for again by its holder gives the same grant and writes nothing", () => {
    const { result, rows } = claim(viewOf([taskRow({ nextRunTimeMs: null })], [executionRow()]));
    expect(result.grant).toMatchObject({ fence: 1, attempt: 1 });
    expect(rows).toEqual([]);
  });

  test("that an ended incarnation asks for is refused with INCARNATION_ENDED", () => {
    expect(() => claim(viewOf([taskRow()]), { incarnation: 3 })).toThrow(
      expect.objectContaining({ reason: "INCARNATION_ENDED" }),
    );
  });
});

test("an occurrence that cannot be judged holds up none of the others", () => {
  const tasks = [taskRow({ timeZone: "Mars/Olympus" }), taskRow({ id: 8, name: "eight" })];
  const occurrences = [7, 8].map((taskId) => ({ taskId, scheduledTimeMs: BigInt(NOW_MS), recorded: false }));
  const request = create(ClaimExecutionsRequestSchema, { incarnation: 1, occurrences });
  const command = claimCommand(request, RULES, onDefect);
  expect(command.executionsNeeded?.(viewOf(tasks))).toContainEqual({ taskId: 8, scheduledTimeMs: NOW_MS });
  const { results } = command.decide(viewOf(tasks), new WriteStage())({ created: (row) => taskToProto(row) });
  expect(results.map((result) => result.grant?.taskId)).toEqual([undefined, 8]);
  expect(defects).toEqual([expect.any(RangeError)]);
});

describe("what was missed", () => {
  const three = taskRow({ recurrence: "DAILY", scheduledTimeMs: NOW_MS - 2 * DAY_MS - 60_000 });
  const cursorMs = three.scheduledTimeMs;

  test("the latest runs once, late; one row stands for the others", () => {
    const { result, rows, task, needed } = claim(viewOf([{ ...three, nextRunTimeMs: cursorMs }]), { timeMs: cursorMs });
    const latestMs = NOW_MS - 60_000;
    expect(result.grant?.scheduledTimeMs).toBe(BigInt(latestMs));
    expect(rows).toContainEqual(
      expect.objectContaining({ scheduledTimeMs: latestMs, trigger: "CATCH_UP", state: "CLAIMED" }),
    );
    expect(rows).toContainEqual(
      expect.objectContaining({
        ...{ scheduledTimeMs: cursorMs, state: "MISSED", missedCount: 2 },
        missedUntilMs: cursorMs + DAY_MS,
      }),
    );
    expect(task).toMatchObject({ nextRunTimeMs: latestMs + DAY_MS });
    expect(needed.map((key) => key.scheduledTimeMs)).toEqual(expect.arrayContaining([cursorMs, latestMs]));
  });

  test("beyond the window nothing runs, and a task that runs once is completed", () => {
    const timeMs = NOW_MS - DAY_MS - 1;
    const { result, rows, task } = claim(viewOf([taskRow({ scheduledTimeMs: timeMs, nextRunTimeMs: timeMs })]), {
      timeMs,
    });
    expect(result.grant).toBeUndefined();
    expect(rows).toMatchObject([{ state: "MISSED", missedCount: 1, endReason: "NOT_RUN_IN_TIME" }]);
    expect(task).toMatchObject({ state: "COMPLETED", nextRunTimeMs: null });
  });
});

describe("a row of the ledger", () => {
  const take = (row: ExecutionRow, task = taskRow({ nextRunTimeMs: null }), incarnation = 2) =>
    claim(viewOf([task], [row]), { recorded: true, incarnation, timeMs: row.scheduledTimeMs });

  test("that waits is granted to whoever asks", () => {
    const { result, rows } = take(executionRow({ state: "PENDING", attempt: 0, fence: 0, incarnation: null }));
    expect(result.grant).toMatchObject({ fence: 1, attempt: 1 });
    expect(rows).toMatchObject([{ state: "CLAIMED", incarnation: 2, schedulerId: "two" }]);
  });

  test("that a live scheduler holds is not granted", () => {
    expect(take(executionRow()).result.grant).toBeUndefined();
  });

  test("whose holder has ended is taken over under the next fence and attempt", () => {
    const { result } = take(executionRow({ incarnation: 9 }));
    expect(result.grant).toMatchObject({ fence: 2, attempt: 2 });
  });

  test("whose holder has ended is missed when a later occurrence is due", () => {
    const row = executionRow({ incarnation: 9, scheduledTimeMs: NOW_MS - DAY_MS });
    const { result, rows } = take(row, taskRow({ recurrence: "DAILY", nextRunTimeMs: NOW_MS }));
    expect(result.grant).toBeUndefined();
    expect(rows).toMatchObject([{ state: "MISSED", fence: 2, endReason: "SCHEDULER_LOST" }]);
  });

  test("that has ended, or is not there, is not granted", () => {
    expect(take(executionRow({ state: "SUCCEEDED", startTimeMs: NOW_MS })).result.grant).toBeUndefined();
    expect(claim(viewOf([taskRow()]), { recorded: true, timeMs: NOW_MS + 1 }).result.grant).toBeUndefined();
  });

  test("that is tried again is granted shortly before its time, for that time", () => {
    const attempts = JSON.stringify([{ attempt: 1, state: "FAILED", endTimeMs: NOW_MS }]);
    const retrying = (retryTimeMs: number) =>
      executionRow({ state: "RETRYING", attempts, failures: 1, startTimeMs: NOW_MS, retryTimeMs });
    const calling = taskRow({ webhook: WEBHOOK, nextRunTimeMs: null });
    const { result, rows } = take(retrying(NOW_MS + 2_000), calling);
    expect(result.grant).toMatchObject({ fence: 2, attempt: 2, runTimeMs: BigInt(NOW_MS + 2_000) });
    expect(rows).toMatchObject([{ state: "CLAIMED", failures: 1, attempts }]);
    expect(take(retrying(NOW_MS + 20_000), calling).result.grant).toBeUndefined();
    const reminder = take(retrying(NOW_MS));
    expect(reminder.result.grant).toBeUndefined();
    expect(reminder.rows).toMatchObject([{ state: "CANCELLED", endReason: "TARGET_REMOVED" }]);
    expect(reminder.task).toMatchObject({ state: "COMPLETED" });
    // A run by hand is not the task's last occurrence, which may be under way.
    expect(take({ ...retrying(NOW_MS), trigger: "MANUAL" }).task).toBeUndefined();
  });

  test("that was handed back runs within the catch-up window, also beside later ones, and is missed after it", () => {
    const daily = taskRow({ webhook: WEBHOOK, recurrence: "DAILY", nextRunTimeMs: NOW_MS - 1_000 });
    const handedBack = (ageMs: number) => {
      const scheduledTimeMs = NOW_MS - ageMs;
      return executionRow({ state: "RETRYING", attempts: "[]", retryTimeMs: NOW_MS, scheduledTimeMs });
    };
    expect(take(handedBack(DAY_MS - 1), daily).result.grant).toMatchObject({ attempt: 2 });
    const { result, rows } = take(handedBack(DAY_MS + 1), daily);
    expect(result.grant).toBeUndefined();
    expect(rows).toMatchObject([{ state: "MISSED", missedCount: 1, retryTimeMs: null, endReason: "TOO_LATE" }]);
    expect(take({ ...handedBack(DAY_MS + 1), trigger: "MANUAL" }, daily).result.grant).toBeDefined();
    const reminder = take(handedBack(1_000), taskRow({ nextRunTimeMs: null }));
    expect(reminder.result.grant).toBeDefined();
  });

  test("whose holder died when it was due tells that its attempt is lost, and spends no retry", () => {
    const row = executionRow({ incarnation: 9, failures: 1, startTimeMs: NOW_MS, scheduledTimeMs: NOW_MS - 10_000 });
    const { result, rows } = take(row);
    expect(result.grant).toMatchObject({ fence: 2, attempt: 2 });
    expect(rows[0]).toMatchObject({ failures: 1 });
    expect(attemptsOf(rows[0]!)).toMatchObject([
      { attempt: 1, schedulerId: "one", state: "FAILED", startTimeMs: null },
    ]);
  });

  test("of a deleted task, whose holder has ended, does not run", () => {
    const view = viewOf([], [executionRow({ incarnation: 9 })]);
    const { result, rows } = claim(view, { recorded: true, incarnation: 2 });
    expect(result.grant).toBeUndefined();
    expect(rows).toMatchObject([{ state: "MISSED", fence: 2, endReason: "TASK_DELETED" }]);
    const running = viewOf([], [executionRow({ state: "RUNNING", incarnation: 9, startTimeMs: NOW_MS })]);
    expect(claim(running, { recorded: true, incarnation: 2 }).rows).toMatchObject([{ state: "FAILED", fence: 2 }]);
  });
});

describe("what a grant calls", () => {
  test("is the task's target, its body rendered", () => {
    const { result } = claim(viewOf([taskRow({ webhook: WEBHOOK, timeoutMs: 500 })]));
    expect(result.grant?.target).toMatchObject({
      timeoutMs: 500,
      taskName: "seven",
      trigger: ExecutionTrigger.SCHEDULE,
    });
    expect(result.grant?.target?.webhook).toMatchObject({ url: WEBHOOK.url, body: '{"task":"seven","try":1}' });
  });

  test("is bounded in an answer: the rest is to be asked for again, and is not claimed", () => {
    const body = "x".repeat(65_536);
    const tasks = Array.from({ length: 40 }, (_, index) =>
      taskRow({ id: index + 1, name: `task ${index}`, webhook: { ...WEBHOOK, body } }),
    );
    const occurrences = tasks.map(({ id }) => ({ taskId: id, scheduledTimeMs: BigInt(NOW_MS), recorded: false }));
    const request = create(ClaimExecutionsRequestSchema, { incarnation: 1, occurrences });
    const stage = new WriteStage();
    const command = claimCommand(request, RULES, onDefect);
    const needed = command.webhooksNeeded?.(viewOf(tasks)) ?? [];
    const view = viewOf(tasks, [], { webhooks: new Map(needed.map((id) => [id, { ...WEBHOOK, body }])) });
    const { results } = command.decide(view, stage)({ created: (row) => taskToProto(row) });
    const granted = results.filter((result) => result.grant !== undefined);
    expect(granted.length).toBe(31);
    expect(results.filter((result) => result.askAgain)).toHaveLength(9);
    expect(stage.executions.size).toBe(31);
  });
});
