import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { type Execution, ExecutionState, ExecutionTrigger, type Task, TaskState } from "@taskscheduler/proto";
import { eventually } from "../setup/eventually.js";
import { startScheduler } from "../setup/processes.js";
import { type ApiFixture, at, CLIENTS, faultOf, millisOf, startApiFixture, walkPages } from "./api-fixture.js";

const later = at("2100-01-31T09:30:00Z");
const idsOf = (executions: readonly Execution[]) => executions.map(({ id }) => id);

let fixture: ApiFixture;
let tasks: Task[];
let first: Task;
let all: Execution[];

/** Five runs of each task and one of the year 1 have succeeded; one of each waits, as no scheduler lives any more. */
beforeAll(async () => {
  fixture = await startApiFixture();
  const scheduler = await startScheduler({ apiAddress: fixture.api.grpcAddress });
  await scheduler.ready();
  tasks = await Promise.all(Array.from({ length: 6 }, (_, index) => createTask(`task ${index}`, later)));
  first = await createTask("the first of all", at("0001-01-01T00:00:00Z"));
  const runEach = () => Promise.all(tasks.map(({ id }) => fixture.client.call("runTask", { id })));
  for (let round = 0; round < 5; round += 1) await runEach();
  await eventually("everything has run", async () => {
    const request = { states: [ExecutionState.SUCCEEDED], countTotal: true };
    return (await fixture.client.call("listExecutions", request)).totalSize === 31;
  });
  await scheduler.stop();
  await runEach();
  all = (await fixture.client.call("listExecutions", {})).executions;
});
afterAll(() => fixture?.stop());

async function createTask(name: string, scheduledTime: Timestamp): Promise<Task> {
  return (await fixture.client.call("createTask", { task: { name, scheduledTime } })).task!;
}

it("has all that ran and all that waits", () => {
  expect(new Set(idsOf(all)).size).toBe(37);
  expect(all.filter(({ state }) => state === ExecutionState.PENDING)).toHaveLength(6);
  for (const execution of all.filter(({ state }) => state === ExecutionState.SUCCEEDED)) {
    const { attempt, attempts, startTime, endTime, claimTime, scheduledTime, lateness, schedulerId } = execution;
    expect(attempt).toBe(1);
    expect(attempts).toMatchObject([{ attempt: 1, state: ExecutionState.SUCCEEDED, startTime, endTime, schedulerId }]);
    expect(schedulerId).not.toBe("");
    expect(millisOf(claimTime)).toBeGreaterThanOrEqual(millisOf(scheduledTime));
    expect(millisOf(endTime)).toBeGreaterThanOrEqual(millisOf(startTime));
    expect(Number(lateness?.seconds) * 1000 + Math.round((lateness?.nanos ?? 0) / 1e6)).toBe(
      millisOf(startTime) - millisOf(scheduledTime),
    );
  }
});

it.each(CLIENTS)("gives %s each with its task, which remembers the last one", async (name) => {
  const client = fixture.clients[name];
  for (const execution of all.slice(0, 7)) {
    expect((await client.call("getExecution", { id: execution.id })).execution).toEqual(execution);
  }
  const once = (await client.call("getTask", { id: first.id })).task!;
  expect(once).toMatchObject({ state: TaskState.COMPLETED, runCount: 1 });
  expect(once.nextRunTime).toBeUndefined();
  expect(once.etag).toBe(first.etag);
  expect(once.lastExecution).toMatchObject({ scheduledTime: first.scheduledTime, trigger: ExecutionTrigger.SCHEDULE });
  expect(once.lastExecution).toEqual(all.find(({ taskId }) => taskId === first.id));
  const { tasks: listed } = await client.call("listTasks", { nameContains: "task 0" });
  expect(listed).toMatchObject([{ state: TaskState.ACTIVE, runCount: 5, nextRunTime: later, etag: tasks[0]!.etag }]);
  expect(listed[0]?.lastExecution?.taskId).toBe(tasks[0]!.id);
});

describe.each(["id", "scheduled_time"])("by %s", (field) => {
  it.each([
    ["", 1, CLIENTS[0]],
    [" asc", 7, CLIENTS[1]],
    [" desc", 1, CLIENTS[2]],
    [" desc", 7, CLIENTS[3]],
  ])("%s comes each once, in pages of %i, to %s", async (direction, pageSize, name) => {
    const executions = await walkPages<Execution>(async (pageToken) => {
      const request = { pageSize, pageToken, orderBy: `${field}${direction}` };
      const answer = await fixture.clients[name]!.call("listExecutions", request);
      return { items: answer.executions, nextPageToken: answer.nextPageToken };
    });
    expect(idsOf(executions).sort()).toEqual(idsOf(all).sort());
    const compare = (a: Execution, b: Execution) =>
      (field === "id" ? a.taskId - b.taskId : 0) || millisOf(a.scheduledTime) - millisOf(b.scheduledTime);
    const sign = direction === " desc" ? -1 : 1;
    executions.slice(1).forEach((execution, index) => {
      expect(sign * compare(executions[index]!, execution)).toBeLessThanOrEqual(0);
    });
  });
});

it("is filtered by task, state and time", async () => {
  const { SUCCEEDED, PENDING, FAILED } = ExecutionState;
  const ids = async (request: object) => {
    const answer = await fixture.client.call("listExecutions", { ...request, countTotal: true });
    expect(answer.totalSize).toBe(answer.executions.length);
    return idsOf(answer.executions);
  };
  const taskId = tasks[2]!.id;
  const own = all.filter((execution) => execution.taskId === taskId);
  expect(await ids({ taskId })).toEqual(idsOf(own));
  expect(await ids({ taskId: 4_294_967_295 })).toEqual([]);
  expect(await ids({ states: [PENDING] })).toHaveLength(6);
  expect(await ids({ states: [SUCCEEDED, FAILED] })).toHaveLength(31);
  expect(await ids({ taskId, states: [PENDING] })).toEqual(idsOf(own.slice(5)));
  const { seconds, nanos } = own[2]!.scheduledTime!;
  const bound = create(TimestampSchema, { seconds, nanos });
  const finer = create(TimestampSchema, { seconds, nanos: nanos + 1 });
  expect(await ids({ taskId, scheduledAfter: bound })).toEqual(idsOf(own.slice(3)));
  expect(await ids({ taskId, scheduledBefore: bound })).toEqual(idsOf(own.slice(0, 2)));
  expect(await ids({ taskId, scheduledBefore: finer })).toEqual(idsOf(own.slice(0, 3)));
  expect(await ids({ scheduledBefore: at("1900-01-01T00:00:00Z") })).toEqual([`${first.id}.-62135596800000`]);
});

it("takes no token of other filters", async () => {
  const { nextPageToken } = await fixture.client.call("listExecutions", { pageSize: 1 });
  const rest = await fixture.client.call("listExecutions", { pageToken: nextPageToken });
  expect(rest.executions).toHaveLength(36);
  for (const other of [
    { taskId: first.id },
    { states: [ExecutionState.PENDING] },
    { orderBy: "id desc" },
    { scheduledAfter: later },
    { scheduledBefore: later },
  ]) {
    const fault = await faultOf(fixture.client.call("listExecutions", { pageToken: nextPageToken, ...other }));
    expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_PAGE_TOKEN", fields: ["page_token"] });
  }
});
