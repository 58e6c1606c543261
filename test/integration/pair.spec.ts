import { freePort } from "../../scripts/ports.mjs";
import { eventually } from "../setup/eventually.js";
import { runsOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createRandom } from "../setup/random.js";
import { createTaskClient, type Run, type TaskClient, type TaskView } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

const DAY_MS = 24 * 60 * 60 * 1000;
/** A change acknowledged later than this before an occurrence may be too late for it. */
const LATEST_CHANGE_MS = 250;
/** A machine that stalls may miss the moment that a test needs; then the same is tried with another task. */
const TRIES = 5;

let database: TestDatabase;
let api: ApiProcess;
let scheduler: ServiceProcess;
let client: TaskClient;
let names = 0;

const uniqueName = () => `task ${++names}`;
const create = (scheduledTimeMs: number, more: { recurrence?: "DAILY" } = {}) =>
  client.create({ name: uniqueName(), scheduledTimeMs, ...more });

beforeAll(async () => {
  database = await createTestDatabase();
  api = await startApi({ databaseUrl: database.url });
  scheduler = await startScheduler({ apiAddress: api.grpcAddress, schedulerId: "pair" });
  await Promise.all([api.ready(), scheduler.ready()]);
  client = createTaskClient(api.grpcAddress);
});

afterAll(async () => {
  client?.close();
  await killAll();
  await database?.drop();
});

function ended(taskId: number, count = 1): Promise<Run[]> {
  return eventually(`task ${taskId} has ${count} executions that succeeded`, async () => {
    const runs = await client.runs(taskId);
    return runs.filter(({ state }) => state === "SUCCEEDED").length >= count && runs;
  });
}

/** Resolves when the scheduler has run what was due up to a time and reported it: a later task of the same shard ended. */
async function isPast(timeMs: number): Promise<void> {
  const { id } = await create(timeMs + 300);
  await ended(id);
}

/**
 * Changes a task when its occurrence has been claimed, and gives what was answered. Tried again with another task
 * where the answer came so late that the change may have been too late.
 */
async function changeClaimed<T>(
  change: (task: TaskView) => Promise<T>,
): Promise<{ task: TaskView; dueMs: number; answer: T }> {
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const dueMs = Date.now() + 1_600;
    const task = await create(dueMs);
    await eventually(
      "the occurrence is claimed ahead",
      async () => (await client.runs(task.id))[0]?.state === "CLAIMED",
    );
    await eventually("half a second is left", () => Date.now() > dueMs - 600);
    const answer = await change(task);
    if (Date.now() < dueMs - LATEST_CHANGE_MS) return { task, dueMs, answer };
    await isPast(dueMs);
  }
  throw new Error(`a change could not be made ${LATEST_CHANGE_MS} ms ahead`);
}

const neverRan = (runs: readonly Run[]) =>
  runs.every(({ state, startTimeMs }) => state === "CANCELLED" && startTimeMs === undefined);

describe("a task falls due", () => {
  it("fires one that was created 300 ms before its time, not early, once", async () => {
    const dueMs = Date.now() + 300;
    const { id } = await create(dueMs);
    const [run, ...others] = await ended(id);
    expect(others).toEqual([]);
    expect(run).toMatchObject({ scheduledTimeMs: dueMs, state: "SUCCEEDED", trigger: "SCHEDULE", attempt: 1 });
    expect(run).toMatchObject({ schedulerId: "pair", error: "" });
    expect(run!.startTimeMs).toBeGreaterThanOrEqual(dueMs);
    expect(await client.get(id)).toMatchObject({ state: "COMPLETED", runCount: 1, nextRunTimeMs: undefined });
  });

  it("gives a recurring one its next time", async () => {
    const dueMs = Date.now() + 300;
    const { id } = await create(dueMs, { recurrence: "DAILY" });
    expect(await ended(id)).toMatchObject([{ scheduledTimeMs: dueMs, state: "SUCCEEDED" }]);
    expect(await client.get(id)).toMatchObject({ state: "ACTIVE", runCount: 1, nextRunTimeMs: dueMs + DAY_MS });
  });

  it("runs one at once whose time was past when it was created, and waits for the next when it recurs", async () => {
    const pastMs = Date.now() - 3 * DAY_MS - 60_000;
    const [once, daily] = [await create(pastMs), await create(pastMs, { recurrence: "DAILY" })];
    expect(await ended(once.id)).toMatchObject([{ scheduledTimeMs: pastMs, state: "SUCCEEDED", missedCount: 0 }]);
    expect(await client.get(once.id)).toMatchObject({ state: "COMPLETED", runCount: 1 });
    expect(await client.get(daily.id)).toMatchObject({ state: "ACTIVE", nextRunTimeMs: pastMs + 4 * DAY_MS });
    expect(await client.runs(daily.id)).toEqual([]);
  });

  it("gives exactly one row to each of 2,000 tasks of one instant, and of 300 that are spread over 3 seconds", async () => {
    const random = createRandom("pair: many tasks");
    const startMs = Date.now() + 3_000;
    const spread = Array.from({ length: 300 }, () => startMs + 500 + random.below(3_000));
    const tasks = await client.createAll(
      [...Array.from({ length: 2_000 }, () => startMs), ...spread].map((scheduledTimeMs) => ({
        name: uniqueName(),
        scheduledTimeMs,
      })),
    );
    const ids = new Set(tasks.map(({ id }) => id));
    const runs = await eventually(
      "all have run",
      async () => {
        const found = (await client.runs()).filter(({ taskId }) => ids.has(taskId));
        return found.filter(({ state }) => state === "SUCCEEDED").length >= tasks.length && found;
      },
      30_000,
    );
    const expected = tasks.map(({ id, scheduledTimeMs }) => ({ taskId: id, scheduledTimeMs }));
    expect(runs.map(({ taskId, scheduledTimeMs }) => ({ taskId, scheduledTimeMs }))).toEqual(expected);
    expect(runs.filter((run) => run.state !== "SUCCEEDED" || run.attempt !== 1)).toEqual([]);
    expect(runs.filter((run) => run.startTimeMs! < run.scheduledTimeMs)).toEqual([]);
    const views = (await client.list()).filter(({ id }) => ids.has(id));
    expect(views.filter(({ state, runCount }) => state !== "COMPLETED" || runCount !== 1)).toEqual([]);
  }, 60_000);
});

describe("a manual run", () => {
  async function runs(task: TaskView): Promise<void> {
    const before = await client.get(task.id);
    const { state, trigger, scheduledTimeMs } = await client.run(task.id);
    expect({ state, trigger }).toEqual({ state: "PENDING", trigger: "MANUAL" });
    const manual = await eventually("the manual run ended", async () =>
      (await client.runs(task.id)).find((run) => run.scheduledTimeMs === scheduledTimeMs && run.state === "SUCCEEDED"),
    );
    expect(manual).toMatchObject({ trigger: "MANUAL", attempt: 1 });
    expect(await client.get(task.id)).toEqual({ ...before, runCount: before.runCount + 1 });
  }

  it("runs an active task, and moves nothing else", async () => {
    await runs(await create(Date.now() + DAY_MS));
  });

  it("runs a paused task, which stays paused", async () => {
    const task = await create(Date.now() + DAY_MS);
    await runs(await client.pause(task.id));
  });

  it("runs a completed task, which stays completed", async () => {
    const task = await create(Date.now() - 1_000);
    await ended(task.id);
    await runs(task);
  });

  it("gives each of many runs of one task a row", async () => {
    const { id } = await create(Date.now() + DAY_MS);
    const started = await Promise.all(Array.from({ length: 20 }, () => client.run(id)));
    expect(new Set(started.map(({ scheduledTimeMs }) => scheduledTimeMs)).size).toBe(20);
    expect(await ended(id, 20)).toHaveLength(20);
    expect(await client.get(id)).toMatchObject({ state: "ACTIVE", runCount: 20 });
  });
});

describe("a change about half a second before the time", () => {
  it("moves the task: it runs at the new time alone", async () => {
    const { task, dueMs } = await changeClaimed(({ id }) => client.move(id, Date.now() + 2_500));
    const movedMs = (await client.get(task.id)).scheduledTimeMs;
    await isPast(dueMs);
    expect(neverRan((await client.runs(task.id)).filter((run) => run.scheduledTimeMs === dueMs))).toBe(true);
    const runs = (await ended(task.id)).filter(({ scheduledTimeMs }) => scheduledTimeMs !== dueMs);
    expect(runs).toMatchObject([{ scheduledTimeMs: movedMs, state: "SUCCEEDED" }]);
    expect(runs[0]!.startTimeMs).toBeGreaterThanOrEqual(movedMs);
    expect(await client.get(task.id)).toMatchObject({ state: "COMPLETED", runCount: 1 });
  });

  it("moves it away and back again: it runs once", async () => {
    const { task, dueMs } = await changeClaimed(async ({ id, scheduledTimeMs }) => {
      await client.move(id, scheduledTimeMs + DAY_MS);
      await client.move(id, scheduledTimeMs);
    });
    expect(await ended(task.id)).toMatchObject([{ scheduledTimeMs: dueMs, state: "SUCCEEDED", error: "" }]);
    await isPast(Date.now());
    expect(await client.get(task.id)).toMatchObject({ state: "COMPLETED", runCount: 1 });
  });

  it("pauses it: it does not run; resumed within seconds, it runs once", async () => {
    const { task, dueMs } = await changeClaimed(({ id }) => client.pause(id));
    await isPast(dueMs);
    expect(neverRan(await client.runs(task.id))).toBe(true);
    expect(await client.get(task.id)).toMatchObject({ state: "PAUSED", runCount: 0 });
    await client.resume(task.id);
    expect(await ended(task.id)).toMatchObject([{ scheduledTimeMs: dueMs, state: "SUCCEEDED", error: "" }]);
    expect(await client.get(task.id)).toMatchObject({ state: "COMPLETED", runCount: 1 });
  });

  it("pauses and resumes it before its time: it runs once, on time", async () => {
    const { task, dueMs } = await changeClaimed(async ({ id }) => {
      await client.pause(id);
      await client.resume(id);
    });
    const [run, ...others] = await ended(task.id);
    expect(others).toEqual([]);
    expect(run).toMatchObject({ scheduledTimeMs: dueMs, trigger: "SCHEDULE" });
    expect(run!.startTimeMs).toBeGreaterThanOrEqual(dueMs);
    expect(await client.get(task.id)).toMatchObject({ state: "COMPLETED", runCount: 1 });
  });

  it("deletes it: it does not run", async () => {
    const { task, dueMs } = await changeClaimed(({ id }) => client.remove(id));
    await isPast(dueMs);
    expect(neverRan(await client.runs(task.id))).toBe(true);
  });

  it("describes it: it runs as if nothing had happened", async () => {
    const { task, dueMs } = await changeClaimed(({ id }) =>
      client.tasks.unary("updateTask", { task: { id, description: "new" } }),
    );
    expect(await ended(task.id)).toMatchObject([{ scheduledTimeMs: dueMs, state: "SUCCEEDED", attempt: 1, error: "" }]);
  });
});

describe("a change within the last moments", () => {
  const KINDS = ["move", "pause", "delete", "move and move back"] as const;

  /** Changes a task at about its time. @returns when the change was acknowledged */
  async function change(kind: (typeof KINDS)[number], id: number, dueMs: number, farMs: number): Promise<number> {
    if (kind === "pause") await client.pause(id).catch(isCompleted);
    else if (kind === "delete") await client.remove(id);
    else await client.move(id, farMs);
    const acknowledgedMs = Date.now();
    if (kind === "move and move back") await client.move(id, dueMs);
    return acknowledgedMs;
  }

  function isCompleted(error: unknown): void {
    if (!String(error).includes("completed")) throw error;
  }

  it("withdraws the occurrence, or the row says that it ran; never both, never neither", async () => {
    const random = createRandom("pair: last moments");
    const count = 100;
    const startMs = Date.now() + 2_500;
    const farMs = startMs + 30 * DAY_MS;
    const tasks = await client.createAll(
      Array.from({ length: count }, (_, index) => ({ name: uniqueName(), scheduledTimeMs: startMs + index * 20 })),
    );
    const changed = await Promise.all(
      tasks.map(async ({ id, scheduledTimeMs: dueMs }, index) => {
        const kind = KINDS[index % KINDS.length]!;
        const atMs = dueMs + random.between(-400, 20);
        await eventually("its moment", () => Date.now() >= atMs, 30_000);
        return { id, kind, dueMs, aheadMs: dueMs - (await change(kind, id, dueMs, farMs)) };
      }),
    );
    await isPast(Date.now());
    let ranCount = 0;
    for (const { id, kind, dueMs, aheadMs } of changed) {
      if (kind === "move and move back") {
        expect(await ended(id)).toMatchObject([{ scheduledTimeMs: dueMs, state: "SUCCEEDED" }]);
        expect(await client.get(id)).toMatchObject({ state: "COMPLETED", runCount: 1 });
        continue;
      }
      const runs = await client.runs(id);
      const ran = runs.filter(({ startTimeMs }) => startTimeMs !== undefined);
      ranCount += ran.length;
      expect(runs.filter(({ scheduledTimeMs }) => scheduledTimeMs !== dueMs)).toEqual([]);
      expect(ran.every((run) => run.state === "SUCCEEDED" && run.startTimeMs! >= dueMs)).toBe(true);
      expect(ran.length === 1 || neverRan(runs)).toBe(true);
      if (aheadMs > LATEST_CHANGE_MS) expect({ aheadMs, ran }).toEqual({ aheadMs, ran: [] });
      if (kind === "delete") continue;
      const task = await client.get(id);
      expect(task.runCount).toBe(ran.length);
      if (kind === "move") expect(task).toMatchObject({ state: "ACTIVE", nextRunTimeMs: farMs });
      if (kind === "pause") expect(task.state).toBe(ran.length === 1 ? "COMPLETED" : "PAUSED");
      if (task.state !== "PAUSED") continue;
      await client.resume(id);
      expect(await ended(id)).toMatchObject([{ scheduledTimeMs: dueMs, state: "SUCCEEDED" }]);
    }
    process.stderr.write(`pair: ${ranCount} of ${count} ran\n`);
  }, 60_000);
});

it("has run nothing that no row tells of, and nothing twice", async () => {
  const told = await eventually("all reports have arrived", async () => {
    const runs = await client.runs();
    return runs.every(({ state }) => state === "SUCCEEDED" || state === "CANCELLED") && runs;
  });
  expect(told.length).toBeGreaterThan(0);
  expect(await runsOf(scheduler)).toBe(told.filter(({ state }) => state === "SUCCEEDED").length);
});

it("needs no proxy between its two processes, whatever the environment names", async () => {
  const proxy = `http://127.0.0.1:${await freePort()}`;
  const names = ["http_proxy", "https_proxy", "grpc_proxy", "all_proxy"];
  const env = Object.fromEntries([...names, ...names.map((name) => name.toUpperCase())].map((name) => [name, proxy]));
  const proxied = await startScheduler({ apiAddress: api.grpcAddress, env: { ...env, NODE_USE_ENV_PROXY: "1" } });
  await proxied.ready();
  expect(await proxied.stop()).toBe(0);
});
