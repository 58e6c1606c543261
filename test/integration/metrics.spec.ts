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
    expect(await metricOf(service, "nodejs_eventloop_lag_p99_seconds")).toBeGreaterThan(0);
  }
});

it("calls, groups, changes, claims, alarms, leases and connections are measured", async () => {
  const ofApi = (metric: string) => metricOf(api, `taskscheduler_api_${metric}`);
  const ofScheduler = (metric: string) => metricOf(scheduler, `taskscheduler_scheduler_${metric}`);
  const task = 'service="taskscheduler.v1.TaskService",method="CreateTask"';
  const claim = 'service="taskscheduler.v1.SchedulerService",method="ClaimExecutions"';
  await client.create({ name: "in a while", scheduledTimeMs: Date.now() + 45_000 });
  await expect(client.create({ name: "in a while", scheduledTimeMs: FAR_MS })).rejects.toThrow("ALREADY_EXISTS");
  expect(await ofApi(`calls_total{${task},code="OK"}`)).toBe(3);
  expect(await ofApi(`calls_total{${task},code="ALREADY_EXISTS"}`)).toBe(1);
  expect(await ofApi(`call_duration_seconds_count{${task}}`)).toBe(4);
  const seconds = await ofApi(`call_duration_seconds_sum{${task}}`);
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThan(4 * 10);
  expect(await ofApi(`calls_total{${claim},code="OK"}`)).toBeGreaterThanOrEqual(2);

  // Five in a batch, three one by one, and a pause; that they ran is no change of theirs.
  expect(await ofApi("task_changes_total")).toBe(9);
  await eventually("all is reported", async () => (await ofScheduler("claims_held")) === 0);
  expect(await ofScheduler("reports_pending")).toBe(0);
  expect(await ofApi('execution_changes_total{state="SUCCEEDED"}')).toBe(3);
  const groups = await ofApi("write_group_size_count");
  expect(groups).toBeGreaterThan(0);
  expect(await ofApi("write_group_size_sum")).toBeGreaterThanOrEqual(groups);
  expect(await ofApi('write_group_size_bucket{le="1024"}')).toBe(groups);
  expect(await ofApi("writes_waiting")).toBe(0);
  expect(await ofApi("schedulers")).toBe(1);
  expect(await ofApi("database_connections")).toBeGreaterThan(0);
  expect(await ofApi("database_waiters")).toBe(0);

  expect(await ofScheduler('claims_total{result="granted"}')).toBe(3);
  expect(await ofScheduler('runs_total{state="succeeded"}')).toBe(3);
  await eventually("the next is armed", async () => (await ofScheduler('alarms{kind="claim"}')) === 1);
  expect(await ofScheduler('alarms{kind="run"}')).toBe(0);
  const lease = () => ofScheduler("lease_remaining_seconds");
  const leaseSeconds = await eventually("the lease is valid", async () => (await lease()) || undefined);
  expect(leaseSeconds).toBeLessThanOrEqual(5);
  for (const offset of [await ofApi("clock_offset_seconds"), await ofScheduler("clock_offset_seconds")]) {
    // Of one machine; what a reading's error may be while it is busy.
    expect(Math.abs(offset)).toBeLessThan(5);
  }
});

it("REST's routes are among the calls, its list too", async () => {
  const calls = (method: string, code: string) =>
    metricOf(
      api,
      `taskscheduler_api_calls_total{service="taskscheduler.v1.TaskService",method="${method}",code="${code}"}`,
    );
  const before = [await calls("ListTasks", "OK"), await calls("GetTask", "NOT_FOUND")];
  expect((await fetch(`${api.httpUrl}/api/tasks/?skip=1&limit=2`)).status).toBe(200);
  expect((await fetch(`${api.httpUrl}/api/tasks/2000000000`)).status).toBe(404);
  expect([await calls("ListTasks", "OK"), await calls("GetTask", "NOT_FOUND")]).toEqual(before.map((n) => n + 1));
});

it("the feed of a scheduler whose API is gone grows old", async () => {
  await api.kill();
  await eventually("it is older than 3 s", async () => {
    return (await metricOf(scheduler, "taskscheduler_scheduler_feed_age_seconds")) > 3;
  });
});
