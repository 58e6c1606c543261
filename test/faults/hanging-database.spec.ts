import { TaskService } from "@taskscheduler/proto";
import { type Connection, createConnection } from "mariadb";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { connectClient, type GrpcClient, grpcClient } from "../setup/clients.js";
import { eventually } from "../setup/eventually.js";
import { metricOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, startApi } from "../setup/processes.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

const GRACE_MS = 3_000;
/** What a process may need beyond its grace on a busy machine, and far less than the driver's silence limit. */
const ROOM_MS = 3_500;
const [DEADLINE_EXCEEDED, UNAVAILABLE] = [4, 14];

const CALLS_UNDER_WAY = 'taskscheduler_api_calls_under_way{service="taskscheduler.v1.TaskService",method="CreateTask"}';

const WRITES_WAITING = "taskscheduler_api_writes_waiting";

let server: PrivateServer;
let database: TestDatabase;

beforeAll(async () => {
  server = await startPrivateServer();
  database = await createTestDatabase(server.url);
});
afterAll(async () => {
  await killAll();
  await server?.stop();
});

async function launch({ url } = database): Promise<{ api: ApiProcess; tasks: GrpcClient<typeof TaskService> }> {
  const api = await startApi({ databaseUrl: url, env: { SHUTDOWN_GRACE_MS: String(GRACE_MS) } });
  return { api, tasks: grpcClient(TaskService, api.grpcAddress) };
}

const task = (name: string) => ({ name, scheduledTime: { seconds: 4_000_000_000n } });

async function stopWithinGrace(api: ApiProcess): Promise<void> {
  const startMs = performance.now();
  expect(await api.stop()).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(GRACE_MS + ROOM_MS);
}

it("a write whose caller gave up while it waited leaves no trace", async () => {
  const { api, tasks } = await launch();
  await api.ready();
  const holder = await createConnection(database.url);
  await holder.beginTransaction();
  await holder.query("SELECT * FROM change_counter FOR UPDATE");
  // Two groups may be under way; they hang at the counter, and what comes after them waits in the queue.
  const begun: Promise<unknown>[] = [];
  for (const name of ["first", "second"]) {
    begun.push(tasks.unary("createTask", { task: task(name) }));
    await eventually(`${name} is under way`, async () => (await waitingGroups(holder)) === begun.length);
  }
  const given = tasks.unary("createTask", { task: task("given up") }, { deadline: Date.now() + 300 });
  const connect = connectClient(TaskService, api.httpUrl);
  const givenOverConnect = connect.createTask({ task: task("given up over Connect") }, { timeoutMs: 300 });
  const givenOverRest = fetch(`${api.httpUrl}/api/tasks/`, {
    ...{ method: "POST", headers: { "content-type": "application/json" }, signal: AbortSignal.timeout(300) },
    body: JSON.stringify({ name: "given up over REST", scheduled_time: "2100-01-01T00:00:00" }),
  });
  await expect(given).rejects.toMatchObject({ code: DEADLINE_EXCEEDED });
  await expect(givenOverConnect).rejects.toMatchObject({ code: DEADLINE_EXCEEDED });
  await expect(givenOverRest).rejects.toMatchObject({ name: "TimeoutError" });
  await eventually("none of them waits", async () => (await metricOf(api, WRITES_WAITING)) === 0);
  // On the same connection, so that the API has read that the caller is gone; and it asks the database nothing.
  await tasks.unary("previewSchedule", { scheduledTime: { seconds: 4_000_000_000n } });
  const kept = tasks.unary("createTask", { task: task("kept") }, { deadline: Date.now() + 20_000 });
  await holder.rollback();
  await holder.end();
  await Promise.all([...begun, kept]);
  const { tasks: stored } = await tasks.unary("listTasks", {});
  expect(stored.map(({ name }) => name).sort()).toEqual(["first", "kept", "second"]);
  tasks.close();
  await stopWithinGrace(api);
});

/** How many groups of writes wait for their revisions. */
async function waitingGroups(connection: Connection): Promise<number> {
  const rows: { n: bigint }[] = await connection.query(
    "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE info LIKE 'UPDATE change_counter%'",
  );
  return Number(rows[0]?.n);
}

it("a process that is told to stop while its database hangs ends within its grace, with 0", async () => {
  const { api, tasks } = await launch();
  await api.ready();
  process.kill(server.pid, "SIGSTOP");
  try {
    const pending = tasks.unary("createTask", { task: task("in a void") });
    const failed = expect(pending).rejects.toMatchObject({ code: UNAVAILABLE });
    await eventually("the call is under way", async () => (await metricOf(api, CALLS_UNDER_WAY)) === 1);
    await stopWithinGrace(api);
    await failed;
  } finally {
    process.kill(server.pid, "SIGCONT");
    tasks.close();
  }
});

it("and so does one whose database hangs when it starts", async () => {
  process.kill(server.pid, "SIGSTOP");
  try {
    const { api, tasks } = await launch();
    await eventually(
      "it lives",
      async () => (await fetch(`${api.httpUrl}/healthz`).catch(() => undefined))?.ok === true,
    );
    await stopWithinGrace(api);
    tasks.close();
  } finally {
    process.kill(server.pid, "SIGCONT");
  }
});

it("one that waits for another's migration stops at once, with 0", async () => {
  const empty = await createTestDatabase(server.url);
  const holder = await createConnection(empty.url);
  await holder.query("SELECT GET_LOCK(CONCAT('taskscheduler.migrate.', DATABASE()), 0)");
  const { api, tasks } = await launch(empty);
  await eventually("it waits", async () => {
    const rows: unknown[] = await holder.query(
      "SELECT 1 FROM information_schema.processlist WHERE state LIKE 'User lock' OR info LIKE 'SELECT GET_LOCK%'",
    );
    return rows.length > 0;
  });
  expect(await api.isReady()).toBe(false);
  await stopWithinGrace(api);
  tasks.close();
  await holder.end();
});
