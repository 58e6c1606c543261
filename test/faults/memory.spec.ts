import { createConnection } from "mariadb";
import { eventually } from "../setup/eventually.js";
import { metricOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

const TASKS = 200_000;
const MORE_TASKS = 10_000;
const MONTH_MS = 30 * 24 * 60 * 60 * 1000;
const MORE_BYTES = 40 * 1024 * 1024;

let database: TestDatabase;
let api: ApiProcess;
let client: TaskClient;

beforeAll(async () => {
  database = await createTestDatabase();
  api = await startApi({ databaseUrl: database.url });
  await api.ready();
  client = createTaskClient(api.grpcAddress);
});

afterAll(async () => {
  client?.close();
  await killAll();
  await database?.drop();
});

/** @returns a scheduler that has run a task, and how long it took to be ready */
async function launch(name: string): Promise<{ scheduler: ServiceProcess; readyMs: number }> {
  const startMs = performance.now();
  const scheduler = await startScheduler({ apiAddress: api.grpcAddress, schedulerId: name });
  await scheduler.ready();
  const readyMs = performance.now() - startMs;
  await runsOne(name);
  return { scheduler, readyMs };
}

let serial = 0;
async function runsOne(name: string): Promise<void> {
  const { id } = await client.create({ name: `${name} ${++serial}`, scheduledTimeMs: Date.now() + 200 });
  await eventually("a task runs", async () => (await client.runs(id))[0]?.state === "SUCCEEDED");
}

async function insertTasks(): Promise<void> {
  const connection = await createConnection(database.url);
  try {
    await connection.query(
      `INSERT INTO tasks (name, scheduled_time, recurrence, next_run_time)
         SELECT CONCAT('far ', seq), at, 'DAILY', at
         FROM (SELECT seq, UTC_TIMESTAMP(3) + INTERVAL 30 DAY + INTERVAL seq SECOND AS at FROM seq_1_to_${TASKS}) AS far`,
    );
  } finally {
    await connection.end();
  }
}

it("a scheduler is as small with 200,000 tasks of next month as with none", async () => {
  const none = await launch("none");
  const alone = await metricOf(none.scheduler, "process_resident_memory_bytes");
  await insertTasks();
  const far = { scheduledTimeMs: Date.now() + MONTH_MS };
  await client.createAll(Array.from({ length: MORE_TASKS }, (_, index) => ({ name: `further ${index}`, ...far })));
  await runsOne("none");
  const meanwhile = await metricOf(none.scheduler, "process_resident_memory_bytes");
  await none.scheduler.stop();

  const many = await launch("many");
  const beside = await metricOf(many.scheduler, "process_resident_memory_bytes");
  const megabytes = [alone, meanwhile, beside].map((bytes) => Math.round(bytes / 1024 / 1024));
  process.stderr.write(
    `memory: ${megabytes.join(", ")} MB; ready in ${[none, many].map(({ readyMs }) => Math.round(readyMs)).join(", ")} ms\n`,
  );
  expect(alone).toBeGreaterThan(0);
  expect(meanwhile - alone).toBeLessThan(MORE_BYTES);
  expect(beside - alone).toBeLessThan(MORE_BYTES);
  expect(await metricOf(many.scheduler, 'taskscheduler_scheduler_alarms{kind="claim"}')).toBe(0);
}, 120_000);
