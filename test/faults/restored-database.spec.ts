import { type Connection, createConnection } from "mariadb";
import { type ApiClient, at, clientsOf } from "../integration/api-fixture.js";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

const TABLES = ["tasks", "executions", "changes", "change_counter", "requests"];

let database: TestDatabase;
let apis: ApiProcess[];
let clients: { readonly gRPC: ApiClient; close(): void }[];
let client: TaskClient;
let connection: Connection;
let serial = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  apis = await Promise.all([startApi({ databaseUrl: database.url }), startApi({ databaseUrl: database.url })]);
  await Promise.all(apis.map((api) => api.ready()));
  clients = apis.map(clientsOf);
  client = createTaskClient(apis[0]!.grpcAddress);
  connection = await createConnection(database.url);
  for (const table of TABLES) await connection.query(`CREATE TABLE backup_${table} LIKE ${table}`);
});

afterAll(async () => {
  client?.close();
  for (const each of clients ?? []) each.close();
  await connection?.end();
  await killAll();
  await database?.drop();
});

async function copy(from: string, to: string, further?: () => Promise<void>): Promise<void> {
  await connection.beginTransaction();
  for (const table of TABLES) {
    await connection.query(`DELETE FROM ${to}${table}`);
    await connection.query(`INSERT INTO ${to}${table} SELECT * FROM ${from}${table}`);
  }
  await further?.();
  await connection.commit();
}

async function create(): Promise<string> {
  const name = `task ${++serial}`;
  await clients[serial % 2]!.gRPC.call("createTask", { task: { name, scheduledTime: at("2100-01-01T00:00:00Z") } });
  return name;
}

function watchers() {
  return clients.flatMap(({ gRPC }) => [gRPC.watch("watchTasks"), gRPC.watch("watchExecutions")]);
}

it("watches end when the database is set back under running APIs, and tokens of before mean nothing after", async () => {
  await create();
  await copy("", "backup_");
  const open = watchers();
  const last = await create();
  const tokens = await Promise.all(
    open.map((watch, index) =>
      watch.until("a token after the last change", (events) =>
        index % 2 === 1
          ? events.find(({ event }) => event.case === "snapshotComplete")?.resumeToken
          : events.find(({ event }) => event.case === "upserted" && "name" in event.value && event.value.name === last)
              ?.resumeToken,
      ),
    ),
  );
  await copy("backup_", "");
  for (const watch of open) {
    expect(await watch.ended).toMatchObject({ code: "OUT_OF_RANGE", reason: "RESUME_TOKEN_EXPIRED" });
  }
  // As many changes as were taken back, so that the tokens' revisions are there again.
  const written = [await create(), await create(), await create()];
  for (const [index, resumeToken] of tokens.entries()) {
    const method = index % 2 === 1 ? "watchExecutions" : "watchTasks";
    const resumed = clients[index < 2 ? 0 : 1]!.gRPC.watch(method, { resumeToken });
    expect(await resumed.ended).toMatchObject({ code: "OUT_OF_RANGE", reason: "RESUME_TOKEN_EXPIRED" });
  }
  const known = (await client.list()).map(({ name }) => name);
  expect(known).toEqual(["task 1", ...written]);
  for (const { gRPC } of clients) {
    const anew = gRPC.watch("watchTasks");
    const snapshot = await anew.until("a snapshot", (events) =>
      events.at(-1)?.event.case === "snapshotComplete" ? events : undefined,
    );
    const names = snapshot.flatMap(({ event }) => (event.case === "snapshot" ? [event.value.name] : []));
    expect(names).toEqual(known);
    anew.cancel();
  }
  const error = "the database holds another change log, or an earlier state of it";
  expect(apis.every((api) => api.output().includes(error))).toBe(true);
});

it("also when others have written past its state before anybody looks", async () => {
  await copy("", "backup_");
  const [watch] = watchers();
  await create();
  const name = await create();
  await watch!.until("the last change", (events) =>
    events.find(({ event }) => event.case === "upserted" && "name" in event.value && event.value.name === name),
  );
  // It looks once a second at where it stands.
  await connection.query("SELECT SLEEP(1.5)");
  await copy("backup_", "", async () => {
    // As if other tasks had been written since, to beyond what was taken back.
    await connection.query("SET @n = (SELECT revision FROM change_counter)");
    await connection.query(
      `INSERT INTO changes (revision, first_revision, kind, commit_time, payload)
         SELECT @n + revision, @n + first_revision, kind, commit_time, payload FROM backup_changes`,
    );
    await connection.query("UPDATE change_counter SET revision = 2 * @n");
  });
  expect(await watch!.ended).toMatchObject({ code: "OUT_OF_RANGE", reason: "RESUME_TOKEN_EXPIRED" });
});

it("and a scheduler goes on with what the restored database holds", async () => {
  const scheduler = await startScheduler({ apiAddress: apis[0]!.grpcAddress });
  await scheduler.ready();
  await copy("", "backup_");
  const { id: gone } = await client.create({ name: "taken back", scheduledTimeMs: Date.now() + 3_600_000 });
  await copy("backup_", "");
  await eventually("it is gone", async () => (await client.list()).every((task) => task.id !== gone));
  const { id } = await client.create({ name: "after all", scheduledTimeMs: Date.now() + 500 });
  await eventually("it has run", async () => (await client.runs(id))[0]?.state === "SUCCEEDED");
  expect(await scheduler.stop()).toBe(0);
});
