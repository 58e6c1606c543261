import { durationFromMs, durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Execution, ExecutionState } from "@taskscheduler/proto";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { hang, type Receiver, startReceiver } from "../setup/receiver.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

const SLOW = 10_000;
const QUICK = 100;
const BATCH = 1_000;
/** Longer than the test: what hangs holds its slot. */
const TIMEOUT = durationFromMs(600_000);
/** Behind the slow ones it would be minutes. Room for a busy machine. */
const MAX_LATENESS_MS = 1_500;
const IN_FLIGHT_PER_HOST = 20;

let database: TestDatabase;
let api: ApiProcess;
let scheduler: ServiceProcess;
let client: TaskClient;
let slow: Receiver;
let quick: Receiver;

beforeAll(async () => {
  [database, slow, quick] = await Promise.all([createTestDatabase(), startReceiver(), startReceiver()]);
  api = await startApi({ databaseUrl: database.url });
  scheduler = await startScheduler({
    apiAddress: api.grpcAddress,
    env: {
      ...{ TARGET_ALLOW_CIDRS: "127.0.0.0/8", MAX_CONCURRENCY_PER_HOST: String(IN_FLIGHT_PER_HOST) },
      ...{ MAX_CONCURRENCY: "40", MAX_CONCURRENCY_PER_TASK: "2", SHUTDOWN_GRACE_MS: "1000" },
    },
  });
  await Promise.all([api.ready(), scheduler.ready()]);
  client = createTaskClient(api.grpcAddress);
});

afterAll(async () => {
  client?.close();
  await killAll();
  await Promise.all([slow?.close(), quick?.close(), database?.drop()]);
});

async function createAll(
  count: number,
  name: string,
  url: string,
  dueMs: (index: number) => number,
): Promise<number[]> {
  const ids: number[] = [];
  for (let from = 0; from < count; from += BATCH) {
    const tasks = Array.from({ length: Math.min(BATCH, count - from) }, (_, index) => ({
      ...{ name: `${name} ${from + index}`, scheduledTime: timestampFromMs(dueMs(from + index)) },
      ...{ webhook: { url }, timeout: TIMEOUT },
    }));
    const { results } = await client.tasks.unary("batchCreateTasks", { tasks });
    for (const { result } of results) if (result.case === "task") ids.push(result.value.id);
  }
  expect(ids).toHaveLength(count);
  return ids;
}

it("ten thousand runs that wait for a slow host delay nobody else's", async () => {
  slow.answer("/", hang);
  const slowDueMs = Date.now() + 4_000;
  await createAll(SLOW, "slow", `${slow.url}/`, () => slowDueMs);
  await eventually("the slow host has all that it may have", () => slow.requests.length === IN_FLIGHT_PER_HOST, 60_000);
  const firstMs = Date.now() + 3_000;
  const ids = new Set(await createAll(QUICK, "quick", `${quick.url}/`, (index) => firstMs + 20 * index));
  const executions = await eventually(
    "all of the quick host have run",
    async () => {
      const states = [ExecutionState.SUCCEEDED];
      const page = await client.executions.unary("listExecutions", { states, pageSize: 1_000 });
      return page.executions.length === QUICK && page.executions;
    },
    60_000,
  );
  expect(executions.every(({ taskId }: Execution) => ids.has(taskId))).toBe(true);
  const lateness = executions.map((each) => durationMs(each.lateness!)).sort((a, b) => a - b);
  process.stderr.write(`slow targets: others at most ${lateness.at(-1)} ms late\n`);
  expect(lateness.at(-1)).toBeLessThan(MAX_LATENESS_MS);
  expect(slow.requests).toHaveLength(IN_FLIGHT_PER_HOST);
});

it("a task has no more runs in flight than it may, though it is run by hand ever again", async () => {
  quick.answer("/hang", hang);
  const { task } = await client.tasks.unary("createTask", {
    task: {
      ...{ name: "by hand", scheduledTime: timestampFromMs(Date.now() + 3_600_000), timeout: TIMEOUT },
      webhook: { url: `${quick.url}/hang` },
    },
  });
  for (let count = 0; count < 5; count += 1) await client.run(task!.id);
  await eventually("two run", () => quick.requestsOf("/hang").length === 2);
  const { executions } = await eventually("the others wait", async () => {
    const page = await client.executions.unary("listExecutions", { taskId: task!.id });
    return page.executions.filter(({ state }) => state === ExecutionState.RUNNING).length === 2 && page;
  });
  expect(executions).toHaveLength(5);
  const [first] = executions.filter(({ state }) => state === ExecutionState.RUNNING);
  await client.executions.unary("cancelExecution", { id: first!.id });
  await eventually("a third runs in its place", () => quick.requestsOf("/hang").length === 3);
});
