import type { Connection } from "mariadb";
import { type ApiClient, at, clientsOf, faultOf } from "../integration/api-fixture.js";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { connectTo, createTestDatabase, type TestDatabase } from "../setup/test-database.js";

/** An administrator takes tables and rights away under a running API, and gives them back. */

const scheduledTime = at("2100-01-01T00:00:00Z");
const LAST_ID = 2_147_483_647;

let database: TestDatabase;
let admin: Connection;
let api: ApiProcess;
let client: ApiClient;
let tasks: TaskClient;
let closeClients: () => void;
let serial = 0;

/** @param url where the API is to connect to; default: the test's own account */
async function launch(url?: string): Promise<void> {
  database = await createTestDatabase();
  admin = await connectTo(database.url);
  const account = new URL(url ?? database.url);
  account.pathname = `/${database.name}`;
  api = await startApi({ databaseUrl: account.href });
  await api.ready();
  const clients = clientsOf(api);
  client = clients.gRPC;
  tasks = createTaskClient(api.grpcAddress);
  closeClients = () => {
    clients.close();
    tasks.close();
  };
}

afterEach(async () => {
  closeClients?.();
  await killAll();
  admin?.destroy();
  await database?.drop();
});

const create = () => client.call("createTask", { task: { name: `task ${++serial}`, scheduledTime } });
const unready = () => eventually("the API is not ready", async () => !(await api.isReady()));

it("a database that is dropped and made anew is migrated again, and all goes on without a restart", async () => {
  await launch();
  const scheduler = await startScheduler({ apiAddress: api.grpcAddress });
  await scheduler.ready();
  await create();
  const watch = client.watch("watchTasks");
  const token = await watch.until(
    "a token",
    (events) => events.find(({ event }) => event.case === "snapshotComplete")?.resumeToken,
  );
  await admin.query(`DROP DATABASE ${database.name}`);
  await unready();
  expect(await faultOf(create())).toMatchObject({ code: "UNAVAILABLE", reason: "DATABASE_UNAVAILABLE" });
  expect(api.output()).toMatch(/the database has lost tables/);
  await admin.query(`CREATE DATABASE ${database.name} CHARACTER SET utf8mb4`);
  await api.ready();
  expect(await watch.ended).toMatchObject({ code: "OUT_OF_RANGE", reason: "RESUME_TOKEN_EXPIRED" });
  const resumed = client.watch("watchTasks", { resumeToken: token });
  expect(await resumed.ended).toMatchObject({ code: "OUT_OF_RANGE", reason: "RESUME_TOKEN_EXPIRED" });
  expect((await client.call("listTasks", {})).tasks).toEqual([]);
  const { id } = await tasks.create({ name: "after all", scheduledTimeMs: Date.now() + 500 });
  await eventually("it has run", async () => (await tasks.runs(id))[0]?.state === "SUCCEEDED", 30_000);
  expect(api.output()).not.toMatch(/internal error|nobody caught/);
});

it.each(["tasks", "execution_stats", "changes", "schedulers"])(
  "without its table %s the API is not ready, and it goes on when the table is back",
  async (table) => {
    await launch();
    await admin.query(`RENAME TABLE ${table} TO taken_away`);
    await unready();
    expect(await faultOf(create())).toMatchObject({ code: "UNAVAILABLE", reason: "DATABASE_UNAVAILABLE" });
    expect(await faultOf(client.call("getTask", { id: 1 }))).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
    await admin.query(`RENAME TABLE taken_away TO ${table}`);
    await api.ready();
    await create();
    expect(api.output()).not.toMatch(/internal error|nobody caught/);
  },
);

describe("an account", () => {
  const account = `api_${process.pid}`;
  const user = `'${account}'@'%'`;

  afterEach(async () => {
    const server = await connectTo(process.env["TEST_DATABASE_URL"]!);
    await server.query(`DROP USER IF EXISTS ${user}`);
    await server.end();
  });

  async function launchWithAccount(): Promise<void> {
    const server = await connectTo(process.env["TEST_DATABASE_URL"]!);
    await server.query(`CREATE USER ${user} IDENTIFIED BY 'first'`);
    // The grant is for all test databases: this test's own has no name yet.
    await server.query(`GRANT ALL ON \`test\\_%\`.* TO ${user}`);
    await server.end();
    const url = new URL(process.env["TEST_DATABASE_URL"]!);
    url.username = account;
    url.password = "first";
    await launch(url.href);
  }

  it("that is locked out is told as such, and the API goes on when it is let in again", async () => {
    await launchWithAccount();
    await admin.query(`ALTER USER ${user} IDENTIFIED BY 'second'`);
    await admin.query(`KILL USER ${account}`);
    await unready();
    expect(await faultOf(create())).toMatchObject({ code: "UNAVAILABLE", reason: "DATABASE_MISCONFIGURED" });
    expect(api.output()).toMatch(/"reason":"DATABASE_MISCONFIGURED".*the database fails calls/);
    await admin.query(`ALTER USER ${user} IDENTIFIED BY 'first'`);
    await api.ready();
    await create();
  });

  it("that may only read is told as such, and reads go on", async () => {
    await launchWithAccount();
    const { task } = await create();
    await admin.query(`REVOKE ALL ON \`test\\_%\`.* FROM ${user}`);
    await admin.query(`GRANT SELECT ON \`test\\_%\`.* TO ${user}`);
    await admin.query(`KILL USER ${account}`);
    await eventually("writes are refused", async () => (await faultOf(create())).reason === "DATABASE_MISCONFIGURED");
    expect((await client.call("getTask", { id: task!.id })).task).toMatchObject({ id: task!.id });
    await admin.query(`GRANT ALL ON \`test\\_%\`.* TO ${user}`);
    // A session keeps the rights that it began with. Each that is refused is closed.
    await eventually("writes go on", () => create().catch(() => undefined));
    expect(api.output()).not.toMatch(/internal error|nobody caught/);
  });
});

it("once the last id is given out creates are refused as such, and nothing else is", async () => {
  await launch();
  const { task: first } = await create();
  await admin.query(`ALTER TABLE tasks AUTO_INCREMENT = ${LAST_ID}`);
  expect((await create()).task).toMatchObject({ id: LAST_ID });
  const outcomes = await Promise.all([
    ...Array.from({ length: 10 }, () => faultOf(create())),
    ...Array.from({ length: 10 }, (_, index) =>
      client.call("updateTask", { task: { id: first!.id, description: `update ${index}` } }),
    ),
    client.call("runTask", { id: first!.id }),
  ]);
  for (const fault of outcomes.slice(0, 10)) {
    expect(fault).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "IDS_EXHAUSTED" });
  }
  const batch = client.call("batchCreateTasks", { tasks: [{ name: "in a batch", scheduledTime }] });
  expect(await faultOf(batch)).toMatchObject({ reason: "IDS_EXHAUSTED" });
  const overRest = await fetch(`${api.httpUrl}/api/tasks/`, {
    ...{ method: "POST", headers: { "content-type": "application/json" } },
    body: JSON.stringify({ name: "over REST", scheduled_time: "2100-01-01T00:00:00" }),
  });
  expect([overRest.status, await overRest.json()]).toEqual([507, { detail: expect.stringContaining("no id left") }]);
  expect(api.output()).not.toMatch(/internal error/);
});
