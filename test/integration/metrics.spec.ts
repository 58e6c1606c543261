import { createConnection } from "mariadb";
import { eventually } from "../setup/eventually.js";
import { metricOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

/** What the metrics say, of a pair that does something. */

jest.setTimeout(60_000);

const FAR_MS = Date.UTC(2900, 0, 1);

let database: TestDatabase;
let api: ApiProcess;
let scheduler: ServiceProcess;
let client: TaskClient;

beforeAll(async () => {
  database = await createTestDatabase();
  api = await startApi({ databaseUrl: database.url });
  await api.ready();
  client = createTaskClient(api.grpcAddress);
}, 60_000);

afterAll(async () => {
  client?.close();
  await killAll();
  await database?.drop();
});

const latenessOf = (claimed: string): Promise<number> =>
  metricOf(scheduler, `taskscheduler_scheduler_lateness_seconds_count{claimed="${claimed}"}`);

it("tasks and unfinished executions are counted by state", async () => {
  await client.createAll(Array.from({ length: 5 }, (_, index) => ({ name: `far ${index}`, scheduledTimeMs: FAR_MS })));
  const [first, second] = await client.list();
  await client.pause(first!.id);
  await client.run(second!.id);
  const tasks = (state: string) => metricOf(api, `taskscheduler_api_tasks{state="${state}"}`);
  await eventually("they are counted", async () => (await tasks("ACTIVE")) === 4);
  expect([await tasks("PAUSED"), await tasks("COMPLETED")]).toEqual([1, 0]);
  const executions = (state: string) => metricOf(api, `taskscheduler_api_unfinished_executions{state="${state}"}`);
  expect([await executions("PENDING"), await executions("CLAIMED")]).toEqual([1, 0]);
});

it("counts that take too long are left out, and do not hold up the others", async () => {
  const other = await startApi({ databaseUrl: database.url });
  await other.ready();
  const connection = await createConnection(database.url);
  try {
    // Waits for the lock as a slow count would for the disk.
    await connection.query("LOCK TABLES tasks WRITE");
    const text = await (await fetch(`${other.httpUrl}/metrics`)).text();
    expect(text).toMatch(/^taskscheduler_api_database_connections \d/m);
    expect(text).not.toMatch(/^taskscheduler_api_tasks\{/m);
  } finally {
    await connection.end();
  }
  expect(await other.stop()).toBe(0);
});

it("lateness is told apart by whether the claim was had ahead, and the feed shows how far it has come", async () => {
  scheduler = await startScheduler({ apiAddress: api.grpcAddress });
  await scheduler.ready();
  await eventually("the run by hand has ended", async () => (await latenessOf("late")) === 1);
  await client.create({ name: "past", scheduledTimeMs: Date.now() - 3_600_000 });
  await eventually("the task of the past has run", async () => (await latenessOf("late")) === 2);
  expect(await latenessOf("ahead")).toBe(0);
  await client.create({ name: "soon", scheduledTimeMs: Date.now() + 3_000 });
  await eventually("the task has run", async () => (await latenessOf("ahead")) === 1);
  expect(await latenessOf("late")).toBe(2);
  const head = await metricOf(api, "taskscheduler_api_change_log_revision");
  await eventually("the feed has come as far", async () => {
    return (await metricOf(scheduler, "taskscheduler_scheduler_feed_revision")) >= head;
  });
  expect(await metricOf(scheduler, "taskscheduler_scheduler_feed_age_seconds")).toBeLessThan(30);
  for (const service of [api, scheduler]) {
    expect(await metricOf(service, "nodejs_eventloop_lag_p99_seconds")).toBeGreaterThanOrEqual(0);
  }
});

it("the feed of a scheduler whose API is gone grows old", async () => {
  await api.kill();
  await eventually("it is older than 3 s", async () => {
    return (await metricOf(scheduler, "taskscheduler_scheduler_feed_age_seconds")) > 3;
  });
});
