import { randomUUID } from "node:crypto";
import { create, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { TaskSchema, type TaskService } from "@taskscheduler/proto";
import { freePort } from "../../scripts/ports.mjs";
import { eventually } from "../setup/eventually.js";
import { metricOf, runsOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createRandom } from "../setup/random.js";
import { createTaskClient, type Run, type TaskClient, type TaskView, taskOf, viewOf } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { expectCompleted } from "./flow.js";
import { untilAnswered } from "./resend.js";
import { watchTasks } from "./task-watcher.js";

const FAR_MS = Date.now() + 30 * 24 * 60 * 60 * 1000;
/** No scheduler falls silent for this long, while its API starts again. */
const LONG_LEASE_MS = 20_000;
const SHORT_LEASE_MS = 1_500;
/** From the moment that everybody is back, or that the lease is over. */
const SETTLED_MS = 5_000;

let database: TestDatabase;
let ports: { readonly httpPort: number; readonly grpcPort: number };
let api: ApiProcess;
let client: TaskClient;
let serial = 0;
const random = createRandom("lost answers");

beforeEach(async () => {
  database = await createTestDatabase();
  ports = { httpPort: await freePort(), grpcPort: await freePort() };
  client = createTaskClient(`127.0.0.1:${ports.grpcPort}`);
});

afterEach(async () => {
  client.close();
  await killAll();
  await database.drop();
});

/** On the ports of the one before it. */
async function launchApi(env: Readonly<Record<string, string>> = {}): Promise<void> {
  api = await startApi({ databaseUrl: database.url, ...ports, env: { LEASE_MS: String(LONG_LEASE_MS), ...env } });
  await api.ready();
}

async function launchScheduler(
  schedulerId: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ServiceProcess> {
  const scheduler = await startScheduler({ apiAddress: api.grpcAddress, schedulerId, env });
  await scheduler.ready();
  return scheduler;
}

type Mutation = "createTask" | "updateTask" | "pauseTask" | "runTask" | "deleteTask" | "batchCreateTasks";
type RequestOf<M extends Mutation> = MessageInitShape<(typeof TaskService.method)[M]["input"]>;
type AnswerOf<M extends Mutation> = MessageShape<(typeof TaskService.method)[M]["output"]>;

interface SentAgain<M extends Mutation> {
  readonly task: TaskView;
  readonly answer: AnswerOf<M>;
  /** What the change stream told from before the first call until after the last, without the revisions. */
  readonly changes: readonly string[];
  /** The same content, as a caller sends it who cannot name his request. */
  withoutRequestId(): Promise<AnswerOf<M>>;
}

/**
 * Sends a request to an API that commits it and dies before it answers, then to the API that comes back, twice.
 *
 * @param requestOf gets a task that was there before
 */
async function lostAndSentAgain<M extends Mutation>(
  method: M,
  requestOf: (task: TaskView) => RequestOf<M>,
): Promise<SentAgain<M>> {
  // The first create makes the task.
  await launchApi({ FAILPOINTS: `after-${method}${method === "createTask" ? "@2" : ""}` });
  const task = await client.create({ name: `task ${++serial}`, scheduledTimeMs: FAR_MS });
  const watcher = watchTasks({ name: "watcher", clients: [client], resumeToken: "", random });
  await eventually("the watcher has its snapshot", () => watcher.known.has(task.id));

  const request = requestOf(task);
  const requestId = randomUUID();
  const call = (named: object) =>
    client.tasks.unary(method, { ...(request as object), ...named } as RequestOf<M>, { deadline: Date.now() + 10_000 });
  await expect(call({ requestId })).rejects.toMatchObject({ code: status.UNAVAILABLE });
  expect(await api.exited).toBeNull();

  await launchApi();
  const { answer } = await untilAnswered(() => call({ requestId }));
  expect(await call({ requestId })).toEqual(answer);
  const last = await client.create({ name: `task ${++serial}`, scheduledTimeMs: FAR_MS });
  const told = () => watcher.told.map((change) => change.slice(change.indexOf(" ") + 1));
  await eventually("the watcher is told the last change", () => told().includes(`upserted ${last.etag}`));
  await watcher.stop();
  expect(watcher.fault()).toBeUndefined();
  const changes = told().filter((change) => change !== `upserted ${last.etag}`);
  return { task, answer, changes, withoutRequestId: () => call({}) };
}

const named = async (name: string) => (await client.list()).filter((task) => task.name === name);

describe("the API is killed between the commit of a request and its answer; sent again, it gives the first answer", () => {
  it("of a create: one task, one change", async () => {
    const name = `created ${++serial}`;
    const sent = await lostAndSentAgain("createTask", () => ({ task: taskOf({ name, scheduledTimeMs: FAR_MS }) }));
    const created = viewOf(sent.answer.task);
    expect(await named(name)).toEqual([created]);
    expect(sent.changes).toEqual([`upserted ${created.etag}`]);
    await expect(sent.withoutRequestId()).rejects.toMatchObject({ code: status.ALREADY_EXISTS });
  });

  it("of an update under an etag, which is not the current one any more", async () => {
    const name = `renamed ${++serial}`;
    const sent = await lostAndSentAgain("updateTask", ({ id, etag }) => ({
      task: create(TaskSchema, { id, etag, name }),
    }));
    const updated = viewOf(sent.answer.task);
    expect(updated).toMatchObject({ id: sent.task.id, name });
    expect(updated.etag).not.toBe(sent.task.etag);
    expect(await client.get(sent.task.id)).toEqual(updated);
    expect(sent.changes).toEqual([`upserted ${updated.etag}`]);
    await expect(sent.withoutRequestId()).rejects.toMatchObject({ code: status.ABORTED });
  });

  it("of a pause", async () => {
    const sent = await lostAndSentAgain("pauseTask", ({ id }) => ({ id, reason: "holidays" }));
    const paused = viewOf(sent.answer.task);
    expect(paused).toMatchObject({ id: sent.task.id, state: "PAUSED" });
    expect(await client.get(sent.task.id)).toEqual(paused);
    expect(sent.changes).toEqual([`upserted ${paused.etag}`]);
  });

  it("of a manual run: one execution", async () => {
    const sent = await lostAndSentAgain("runTask", ({ id }) => ({ id }));
    expect(await client.runs(sent.task.id)).toMatchObject([{ trigger: "MANUAL", state: "PENDING" }]);
    expect(sent.changes).toEqual([]);
    await sent.withoutRequestId();
    expect(await client.runs(sent.task.id)).toHaveLength(2);
  });

  it("of a deletion: the task as it was", async () => {
    const sent = await lostAndSentAgain("deleteTask", ({ id, etag }) => ({ id, etag }));
    expect(viewOf(sent.answer.task)).toEqual(sent.task);
    expect(await named(sent.task.name)).toEqual([]);
    expect(sent.changes).toEqual([`deleted ${sent.task.id}`]);
    await expect(sent.withoutRequestId()).rejects.toMatchObject({ code: status.NOT_FOUND });
  });

  it("of a batch of which some were refused", async () => {
    const wishes = [`first ${++serial}`, `second ${++serial}`];
    const tasks = [wishes[0]!, "", wishes[1]!, wishes[0]!].map((name) => taskOf({ name, scheduledTimeMs: FAR_MS }));
    const sent = await lostAndSentAgain("batchCreateTasks", () => ({ tasks }));
    const results = sent.answer.results.map(({ result }) => result);
    expect(results.map((result) => result.case)).toEqual(["task", "error", "task", "error"]);
    const created = results.flatMap((result) => (result.case === "task" ? [viewOf(result.value)] : []));
    expect(await Promise.all(wishes.map(named))).toEqual(created.map((task) => [task]));
    expect(sent.changes).toEqual(created.map(({ etag }) => `upserted ${etag}`));
    const { results: refused } = await sent.withoutRequestId();
    expect(refused.map(({ result }) => result.case)).toEqual(["error", "error", "error", "error"]);
  });
});

async function succeeded({ id }: TaskView, timeoutMs = 30_000): Promise<Run[]> {
  const hasSucceeded = async () => {
    const runs = await client.runs(id);
    return runs.some(({ state }) => state === "SUCCEEDED") && runs;
  };
  return eventually("it has run", hasSucceeded, timeoutMs);
}

describe("the API is killed between a commit and its answer to a scheduler, which lives on: its occurrence runs once", () => {
  it.each([
    ["a claim", "after-claimExecutions"],
    ["a report", "after-reportExecutions"],
  ])("%s", async (what, FAILPOINTS) => {
    await launchApi({ FAILPOINTS });
    const scheduler = await launchScheduler("surviving");
    const task = await client.create({ name: `fires ${++serial}`, scheduledTimeMs: Date.now() + 1_500 });
    expect(await api.exited).toBeNull();

    await launchApi();
    const backMs = Math.max(Date.now(), task.scheduledTimeMs);
    const runs = await succeeded(task);
    await eventually(
      "nothing is held any more",
      async () => (await metricOf(scheduler, "taskscheduler_scheduler_claims_held")) === 0,
    );
    const settledMs = Date.now() - backMs;
    process.stderr.write(`lost answers: ${what} was settled ${settledMs} ms after the API was back\n`);
    expect(settledMs).toBeLessThan(SETTLED_MS);
    const { scheduledTimeMs } = task;
    expect(runs).toMatchObject([{ scheduledTimeMs, state: "SUCCEEDED", attempt: 1, schedulerId: "surviving" }]);
    expect(runs[0]!.startTimeMs).toBeGreaterThanOrEqual(scheduledTimeMs);
    expect(await runsOf(scheduler)).toBe(1);
    await expectCompleted(client, [task]);
  });
});

describe("the scheduler is killed, and another takes over when the lease is over", () => {
  beforeEach(() => launchApi({ LEASE_MS: String(SHORT_LEASE_MS) }));

  it.each([
    { when: "its claim was granted, before it knows", FAILPOINTS: "after-claimExecutions", attempt: 2 },
    { when: "it has run an occurrence, before it says so", FAILPOINTS: "before-reportExecutions", attempt: 2 },
    { when: "its report was taken, before it knows", FAILPOINTS: "after-reportExecutions", attempt: 1 },
  ])("when $when", async ({ when, FAILPOINTS, attempt }) => {
    const victim = await launchScheduler("victim", { FAILPOINTS });
    const task = await client.create({ name: `fires ${++serial}`, scheduledTimeMs: Date.now() + 1_200 });
    expect(await victim.exited).toBeNull();
    const diedMs = Date.now();

    const successor = await launchScheduler("successor");
    await successor.ready();
    const readyMs = Date.now();
    const runs = await succeeded(task);
    await eventually("the lease is over", () => api.output().includes("a scheduler fell silent"));
    const after = await client.create({ name: `fires ${++serial}`, scheduledTimeMs: Date.now() });
    await succeeded(after);

    const isTakenOver = attempt > 1;
    const schedulerId = isTakenOver ? "successor" : "victim";
    expect(runs).toMatchObject([{ scheduledTimeMs: task.scheduledTimeMs, state: "SUCCEEDED", attempt, schedulerId }]);
    expect(await client.runs(task.id)).toEqual(runs);
    expect(await runsOf(successor)).toBe(isTakenOver ? 2 : 1);
    await expectCompleted(client, [task, after]);
    const takenOverMs = runs[0]!.startTimeMs! - diedMs;
    if (isTakenOver) process.stderr.write(`lost answers: ${when}: run again ${takenOverMs} ms after its death\n`);
    expect(runs[0]!.startTimeMs! - readyMs).toBeLessThan(SHORT_LEASE_MS + SETTLED_MS);
  });
});
