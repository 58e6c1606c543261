import { createConnection } from "mariadb";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient, type Run, type TaskClient, type TaskDraft, type TaskView } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;
const DAY_MS = 24 * HOUR_MS;
const LEASE_MS = 1_000;
/** Missed is what is later than the larger of the lease and this. */
const MISSED_AFTER_MS = 5_000;

let database: TestDatabase;
let api: ApiProcess;
let scheduler: ServiceProcess | undefined;
let client: TaskClient;
let names = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  api = await startApi({ databaseUrl: database.url, env: { LEASE_MS: String(LEASE_MS) } });
  await api.ready();
  client = createTaskClient(api.grpcAddress);
});

afterAll(async () => {
  client?.close();
  await killAll();
  await database?.drop();
});

afterEach(async () => {
  await scheduler?.stop();
  scheduler = undefined;
});

async function launch(): Promise<void> {
  scheduler = await startScheduler({ apiAddress: api.grpcAddress });
  await scheduler.ready();
}

const create = (scheduledTimeMs: number, recurrence: NonNullable<TaskDraft["recurrence"]> = "UNSPECIFIED") =>
  client.create({ name: `task ${++names}`, scheduledTimeMs, recurrence });

/** Makes as if so much time had passed since: all that the database knows of the task becomes so much older. */
async function age(taskId: number, byMs: number): Promise<void> {
  const connection = await createConnection(database.url);
  const older = (column: string) => `${column} = ${column} - INTERVAL ${byMs * 1_000} MICROSECOND`;
  try {
    const columns = ["scheduled_time", "next_run_time", "armed_time", "create_time", "update_time"];
    await connection.query(`UPDATE tasks SET ${columns.map(older).join(", ")} WHERE id = ?`, [taskId]);
    const times = ["scheduled_time", "claim_time"];
    await connection.query(`UPDATE executions SET ${times.map(older).join(", ")} WHERE task_id = ?`, [taskId]);
  } finally {
    await connection.end();
  }
}

/** A task whose first occurrence was due so long ago, while no scheduler was there. */
async function missedTask(ageMs: number, recurrence?: TaskDraft["recurrence"]): Promise<TaskView> {
  const task = await create(Date.now() + 60 * SECOND_MS, recurrence);
  await age(task.id, ageMs + 60 * SECOND_MS);
  return client.get(task.id);
}

function settled(taskId: number, count: number): Promise<Run[]> {
  return eventually(`task ${taskId} has ${count} rows, all at their end`, async () => {
    const runs = await client.runs(taskId);
    return runs.length >= count && runs.every(({ state }) => state !== "CLAIMED" && state !== "PENDING") && runs;
  });
}

describe("what fell due while no scheduler was there", () => {
  it("runs late and once, as a catch-up, when nobody was there for longer than the lease", async () => {
    const ageMs = MISSED_AFTER_MS + 200;
    const [once, daily] = [await missedTask(ageMs), await missedTask(ageMs, "DAILY")];
    await launch();
    for (const { id, scheduledTimeMs } of [once, daily]) {
      expect(await settled(id, 1)).toMatchObject([
        { scheduledTimeMs, state: "SUCCEEDED", trigger: "CATCH_UP", attempt: 1, missedCount: 0 },
      ]);
    }
    expect(await client.get(once.id)).toMatchObject({ state: "COMPLETED", runCount: 1 });
    const nextRunTimeMs = daily.scheduledTimeMs + DAY_MS;
    expect(await client.get(daily.id)).toMatchObject({ state: "ACTIVE", runCount: 1, nextRunTimeMs });
  });

  it("runs late within 24 hours, and is missed beyond", async () => {
    const within = await missedTask(23 * HOUR_MS);
    const beyond = await missedTask(25 * HOUR_MS);
    const weekly = await missedTask(2 * DAY_MS, "WEEKLY");
    await launch();
    expect(await settled(within.id, 1)).toMatchObject([
      { scheduledTimeMs: within.scheduledTimeMs, state: "SUCCEEDED", trigger: "CATCH_UP" },
    ]);
    const missed = (task: TaskView) => [
      {
        ...{ scheduledTimeMs: task.scheduledTimeMs, state: "MISSED", endReason: "NOT_RUN_IN_TIME" },
        ...{ missedCount: 1, missedUntilMs: task.scheduledTimeMs },
      },
    ];
    expect(await settled(beyond.id, 1)).toMatchObject(missed(beyond));
    expect(await settled(weekly.id, 1)).toMatchObject(missed(weekly));
    expect(await client.get(within.id)).toMatchObject({ state: "COMPLETED", runCount: 1 });
    expect(await client.get(beyond.id)).toMatchObject({ state: "COMPLETED", runCount: 0 });
    const nextRunTimeMs = weekly.scheduledTimeMs + 7 * DAY_MS;
    expect(await client.get(weekly.id)).toMatchObject({ state: "ACTIVE", runCount: 0, nextRunTimeMs });
  });

  it("is told by one row for many, and the latest alone runs", async () => {
    const daily = await missedTask(3 * DAY_MS + 12 * HOUR_MS, "DAILY");
    const long = await missedTask(400 * DAY_MS + 12 * HOUR_MS, "DAILY");
    const weekly = await missedTask(20 * DAY_MS, "WEEKLY");
    await launch();
    const first = daily.scheduledTimeMs;
    expect(await settled(daily.id, 2)).toMatchObject([
      { scheduledTimeMs: first, state: "MISSED", missedCount: 3, missedUntilMs: first + 2 * DAY_MS },
      { scheduledTimeMs: first + 3 * DAY_MS, state: "SUCCEEDED", trigger: "CATCH_UP" },
    ]);
    expect(await client.get(daily.id)).toMatchObject({ runCount: 1, nextRunTimeMs: first + 4 * DAY_MS });
    expect(await settled(long.id, 2)).toMatchObject([
      { state: "MISSED", missedCount: 400, missedUntilMs: long.scheduledTimeMs + 399 * DAY_MS },
      { scheduledTimeMs: long.scheduledTimeMs + 400 * DAY_MS, state: "SUCCEEDED", trigger: "CATCH_UP" },
    ]);
    // The latest is six days old: none runs.
    const missedUntilMs = weekly.scheduledTimeMs + 14 * DAY_MS;
    expect(await settled(weekly.id, 1)).toMatchObject([{ state: "MISSED", missedCount: 3, missedUntilMs }]);
    expect(await client.get(weekly.id)).toMatchObject({
      runCount: 0,
      nextRunTimeMs: weekly.scheduledTimeMs + 21 * DAY_MS,
    });
  });

  it("follows the same policy when it was due while its task was paused", async () => {
    await launch();
    const task = await create(Date.now() + 60 * SECOND_MS, "DAILY");
    await client.pause(task.id);
    await age(task.id, 2 * DAY_MS + 60 * SECOND_MS);
    const { scheduledTimeMs: first } = await client.get(task.id);
    await client.resume(task.id);
    expect(await settled(task.id, 2)).toMatchObject([
      { scheduledTimeMs: first, state: "MISSED", missedCount: 2, missedUntilMs: first + DAY_MS },
      { scheduledTimeMs: first + 2 * DAY_MS, state: "SUCCEEDED", trigger: "CATCH_UP" },
    ]);
  });
});

describe("a manual run while no scheduler is there", () => {
  it("waits for one, and runs once; of a task that is deleted meanwhile it is cancelled", async () => {
    const [kept, removed] = [await create(Date.now() + DAY_MS), await create(Date.now() + DAY_MS)];
    await Promise.all([client.run(kept.id), client.run(removed.id)]);
    await client.remove(removed.id);
    expect(await client.runs(removed.id)).toMatchObject([
      { state: "CANCELLED", endReason: "TASK_DELETED", startTimeMs: undefined },
    ]);
    expect(await client.runs(kept.id)).toMatchObject([{ state: "PENDING", trigger: "MANUAL" }]);
    await launch();
    expect(await settled(kept.id, 1)).toMatchObject([{ state: "SUCCEEDED", trigger: "MANUAL", attempt: 1 }]);
    expect(await client.get(kept.id)).toMatchObject({ state: "ACTIVE", runCount: 1 });
    expect(await client.runs(removed.id)).toMatchObject([{ state: "CANCELLED", startTimeMs: undefined }]);
  });
});

describe("what a scheduler held that died, for all of the outage", () => {
  /** A task whose occurrence is claimed by a scheduler that is then killed, so long ago. */
  async function heldTasks(drafts: readonly { ageMs: number; recurrence?: TaskDraft["recurrence"] }[]) {
    await launch();
    const dueMs = Date.now() + 1_500;
    const tasks = await Promise.all(drafts.map(({ recurrence }) => create(dueMs, recurrence)));
    await eventually("all are claimed", async () => {
      const runs = await Promise.all(tasks.map(({ id }) => client.runs(id)));
      return runs.every(([run]) => run?.state === "CLAIMED");
    });
    await scheduler?.kill();
    await Promise.all(tasks.map(({ id }, index) => age(id, drafts[index]!.ageMs)));
    return Promise.all(tasks.map(({ id }) => client.get(id)));
  }

  it("is taken over within 24 hours, missed beyond, and missed where a later one is due", async () => {
    const [within, beyond, daily] = await heldTasks([
      { ageMs: HOUR_MS },
      { ageMs: 25 * HOUR_MS },
      { ageMs: 3 * DAY_MS + 12 * HOUR_MS, recurrence: "DAILY" },
    ]);
    await launch();
    expect(await settled(within!.id, 1)).toMatchObject([
      { scheduledTimeMs: within!.scheduledTimeMs, state: "SUCCEEDED", attempt: 2 },
    ]);
    expect(await settled(beyond!.id, 1)).toMatchObject([
      { scheduledTimeMs: beyond!.scheduledTimeMs, state: "MISSED", missedCount: 1, startTimeMs: undefined },
    ]);
    const first = daily!.scheduledTimeMs;
    const rows = await settled(daily!.id, 3);
    expect(rows).toMatchObject([
      { scheduledTimeMs: first, state: "MISSED", endReason: "SCHEDULER_LOST" },
      { scheduledTimeMs: first + DAY_MS, state: "MISSED", missedUntilMs: first + 2 * DAY_MS },
      { scheduledTimeMs: first + 3 * DAY_MS, state: "SUCCEEDED", trigger: "CATCH_UP", endReason: "UNSPECIFIED" },
    ]);
    expect(rows.reduce((sum, { missedCount }) => sum + missedCount, 0)).toBe(3);
    expect(await client.get(within!.id)).toMatchObject({ state: "COMPLETED", runCount: 1 });
    expect(await client.get(beyond!.id)).toMatchObject({ state: "COMPLETED", runCount: 0 });
    expect(await client.get(daily!.id)).toMatchObject({
      state: "ACTIVE",
      runCount: 1,
      nextRunTimeMs: first + 4 * DAY_MS,
    });
  });
});
