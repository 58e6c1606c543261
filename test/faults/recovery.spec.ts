import { randomUUID } from "node:crypto";
import { ExecutionService, ExecutionState, type WatchExecutionsResponse } from "@taskscheduler/proto";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { grpcClient } from "../setup/clients.js";
import { eventually } from "../setup/eventually.js";
import { freePort } from "../setup/free-port.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient, type TaskClient, type TaskView } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { expectCompleted, expectEachOnce, type Flow, startFlow } from "./flow.js";

const LEASE_MS = 1_500;
const FLOW = { count: 100, intervalMs: 50, afterMs: 1_200 };
/** With so many done, some are claimed and not due, and others not claimed. */
const WHEN_KILLED = 20;
const LIMIT_MS = 60_000;

let server: PrivateServer;
let database: TestDatabase;
let ports: { readonly httpPort: number; readonly grpcPort: number };
let api: ApiProcess;
let scheduler: ServiceProcess;
let client: TaskClient;
let firstToken: string;
let flows = 0;

const launchApi = () => startApi({ databaseUrl: database.url, ...ports, env: { LEASE_MS: String(LEASE_MS) } });
const launchScheduler = (schedulerId: string) => startScheduler({ apiAddress: api.grpcAddress, schedulerId });

beforeAll(async () => {
  server = await startPrivateServer();
  database = await createTestDatabase(server.url);
  ports = { httpPort: await freePort(), grpcPort: await freePort() };
  api = await launchApi();
  scheduler = await launchScheduler("first");
  await Promise.all([api.ready(), scheduler.ready()]);
  client = createTaskClient(api.grpcAddress);
  firstToken = (await readExecutions("", ({ event }) => event.case === "snapshotComplete")).at(-1)!.resumeToken;
});

afterAll(async () => {
  client?.close();
  await killAll();
  await server?.stop();
});

/** Reads the stream of executions, after a token or from its snapshot, up to the first event that is the last one wanted. */
async function readExecutions(
  resumeToken: string,
  isLast: (event: WatchExecutionsResponse) => boolean,
): Promise<WatchExecutionsResponse[]> {
  const executions = grpcClient(ExecutionService, api.grpcAddress);
  const stream = executions.stream("watchExecutions", { resumeToken });
  const events: WatchExecutionsResponse[] = [];
  // A cancelled call says so once more when nobody listens.
  stream.on("error", () => undefined);
  try {
    for await (const event of stream as AsyncIterable<WatchExecutionsResponse>) {
      events.push(event);
      if (isLast(event)) return events;
    }
    throw new Error("the stream ended");
  } finally {
    stream.cancel();
    executions.close();
  }
}

async function killedInTheMiddle(kill: () => Promise<void>): Promise<Flow> {
  const flow = await startFlow(client, { prefix: `flow ${++flows}:`, ...FLOW });
  await flow.ran(WHEN_KILLED);
  await kill();
  return flow;
}

/** Creates tasks without a pause, and again what was not answered, until it is told to stop. */
function createAllAlong(prefix: string) {
  const acknowledged: TaskView[] = [];
  let stopped = false;
  const one = async (name: string) => {
    const requestId = randomUUID();
    const scheduledTimeMs = Date.now() + 4_000;
    for (;;) {
      try {
        return acknowledged.push(await client.create({ name, scheduledTimeMs }, requestId));
      } catch (error) {
        if (!/UNAVAILABLE|DEADLINE_EXCEEDED|not available|CANCELLED/.test(String(error))) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let count = 0; !stopped && count < 500; count += 1) await one(`${prefix} ${writer}.${count}`);
  });
  return {
    acknowledged,
    async stop() {
      stopped = true;
      await Promise.all(writers);
      return acknowledged.sort((a, b) => a.id - b.id);
    },
  };
}

/** Each acknowledged task is there, under the id that was answered, and runs once. */
async function expectNoneLost(created: readonly TaskView[]): Promise<void> {
  const ids = new Set(created.map(({ id }) => id));
  const runs = await eventually(
    "all that was acknowledged has run",
    async () => {
      const found = (await client.runs()).filter(({ taskId }) => ids.has(taskId));
      return found.filter(({ state }) => state === "SUCCEEDED").length >= created.length && found;
    },
    LIMIT_MS,
  );
  expectEachOnce(created, runs);
  await expectCompleted(client, created);
}

describe("each of the tasks that fall due all along runs, and has one row", () => {
  it("when the scheduler is killed and started again under its name: what it held is taken over", async () => {
    const flow = await killedInTheMiddle(() => scheduler.kill());
    scheduler = await launchScheduler("first");
    const runs = await flow.ended(LIMIT_MS);
    expectEachOnce(flow.tasks, runs);
    await expectCompleted(client, flow.tasks);
    const takenOver = runs.filter(({ attempt }) => attempt > 1);
    expect(takenOver.length).toBeGreaterThan(0);
    expect(takenOver.every(({ attempt }) => attempt === 2)).toBe(true);
  }, 90_000);

  it("when it is killed and another takes its place: the lease runs out first", async () => {
    const flow = await killedInTheMiddle(() => scheduler.kill());
    scheduler = await launchScheduler("second");
    const runs = await flow.ended(LIMIT_MS);
    expectEachOnce(flow.tasks, runs);
    await expectCompleted(client, flow.tasks);
    const takenOver = runs.filter(({ attempt }) => attempt > 1);
    expect(takenOver.length).toBeGreaterThan(0);
    expect(takenOver.every(({ attempt, schedulerId }) => attempt === 2 && schedulerId === "second")).toBe(true);
  }, 90_000);

  it("when the API is killed and started again: nothing that it acknowledged is lost", async () => {
    const writers = createAllAlong("while the API dies");
    const flow = await killedInTheMiddle(() => api.kill());
    const before = writers.acknowledged.length;
    api = await launchApi();
    await eventually("writes are acknowledged again", () => writers.acknowledged.length > before + 10, 30_000);
    const created = await writers.stop();
    expectEachOnce(flow.tasks, await flow.ended(LIMIT_MS));
    await expectCompleted(client, flow.tasks);
    await expectNoneLost(created);
  }, 120_000);

  it("when MariaDB is killed and started again: nothing that was acknowledged is lost", async () => {
    const writers = createAllAlong("while MariaDB dies");
    const flow = await killedInTheMiddle(() => server.kill());
    const before = writers.acknowledged.length;
    await eventually("the API says that it cannot do its job", async () => !(await api.isReady()), 30_000);
    await server.start();
    await eventually("writes are acknowledged again", () => writers.acknowledged.length > before + 10, 30_000);
    const created = await writers.stop();
    expectEachOnce(flow.tasks, await flow.ended(LIMIT_MS));
    await expectCompleted(client, flow.tasks);
    await expectNoneLost(created);
    await Promise.all([api.ready(), scheduler.ready()]);
  }, 120_000);
});

it("the stream of executions tells all of it, each change once and in order", async () => {
  const rows = await client.runs();
  const { id } = await client.create({ name: "the last to run", scheduledTimeMs: Date.now() + 200 });
  const isLast = ({ event }: WatchExecutionsResponse) =>
    event.case === "upserted" && event.value.taskId === id && event.value.state === ExecutionState.SUCCEEDED;
  const events = await readExecutions(firstToken, isLast);
  const told = new Map<number, ExecutionState[]>();
  for (const { event } of events) {
    if (event.case !== "upserted") continue;
    told.set(event.value.taskId, [...(told.get(event.value.taskId) ?? []), event.value.state]);
  }
  const revisions = events.map(({ revision }) => Number(revision));
  expect(revisions.filter((revision, index) => index > 0 && revision < revisions[index - 1]!)).toEqual([]);
  // Claimed once for each attempt, and then run.
  const expected = rows.map(({ taskId, attempt }) => [
    taskId,
    [...Array.from({ length: attempt }, () => ExecutionState.CLAIMED), ExecutionState.SUCCEEDED],
  ]);
  expect(rows.length).toBeGreaterThan(0);
  expect([...told].filter(([taskId]) => taskId !== id).sort(([a], [b]) => a - b)).toEqual(expected);
});
