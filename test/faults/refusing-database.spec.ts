import { randomUUID } from "node:crypto";
import type { Connection } from "mariadb";
import { type ApiClient, at, clientsOf, faultOf } from "../integration/api-fixture.js";
import { eventually } from "../setup/eventually.js";
import { metricOf, runsOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, startApi, startScheduler } from "../setup/processes.js";
import { type Refusal, type RefusingProxy, startRefusingProxy } from "../setup/refusing-proxy.js";
import { createTaskClient, type Run, type TaskClient } from "../setup/task-client.js";
import { connectTo, createTestDatabase, type TestDatabase } from "../setup/test-database.js";

/** A server that takes connections and refuses statements, as a Galera node does without a quorum. */

const NOT_READY: Refusal = {
  errno: 1047,
  sqlState: "08S01",
  message: "WSREP has not yet prepared node for application use",
};
const NOT_COMMITTED: Refusal = { errno: 1180, sqlState: "HY000", message: "Got error 6 during COMMIT" };
/** A caller that was refused comes again after this. */
const PAUSE_MS = 50;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const scheduledTime = at("2100-01-01T00:00:00Z");
const COMMITS = /^BEGIN NOT ATOMIC/;
/** A node without a quorum lets sessions be set up. */
const ALL_BUT_SETTINGS = /^(?!set )/i;

let database: TestDatabase;
let proxy: RefusingProxy;
let api: ApiProcess;
let client: ApiClient;
let close: () => void;
let holder: Connection;
let serial = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await startRefusingProxy(Number(new URL(database.url).port));
  const url = new URL(database.url);
  url.port = String(proxy.port);
  api = await startApi({ databaseUrl: url.href });
  await api.ready();
  const clients = clientsOf(api);
  client = clients.gRPC;
  close = () => clients.close();
});

beforeEach(async () => {
  holder = await connectTo(database.url, { bigIntAsNumber: true });
});

afterEach(() => {
  proxy.allowAll();
  holder.destroy();
});

afterAll(async () => {
  close?.();
  await api?.stop();
  await killAll();
  await proxy?.close();
  await database?.drop();
});

const task = () => ({ name: `task ${++serial}`, scheduledTime });

/** How many sessions are at the lock of a task, whether somebody still listens to them or not. */
async function waitingSessions(connection: Connection): Promise<number> {
  const [row]: { n: number }[] = await connection.query(
    `SELECT COUNT(*) AS n FROM information_schema.processlist
       WHERE db = DATABASE() AND info LIKE 'SELECT%FROM tasks WHERE id IN%FOR UPDATE'`,
  );
  return row!.n;
}

const create = (requestId = "") => client.call("createTask", { task: task(), requestId });

describe("a database that refuses every statement", () => {
  it("is not asked to kill the session of a connection that is closed in the middle of a statement", async () => {
    const { task: held } = await create();
    for (let round = 0; round < 5; round += 1) {
      await holder.query("BEGIN");
      await holder.query("SELECT id FROM tasks WHERE id = ? FOR UPDATE", [held!.id]);
      // The transaction is refused while a statement that was sent behind it waits for the lock.
      proxy.refuse(/^(BEGIN$|KILL)/, NOT_READY);
      const update = { task: { id: held!.id, description: `held up ${round}` } };
      expect(await faultOf(client.call("updateTask", update))).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
      proxy.refuse(/^KILL/, NOT_READY);
      expect(await waitingSessions(holder)).toBe(1);
      await Promise.all(Array.from({ length: 20 }, () => create()));
      await holder.query("ROLLBACK");
      await eventually("the session has ended", async () => (await waitingSessions(holder)) === 0);
    }
    expect(proxy.refused().filter((sql) => sql.startsWith("KILL"))).toEqual([]);
    expect(await api.isReady()).toBe(true);
  });

  it("leaves the API alive, which says that it is unavailable and goes on when the refusals end", async () => {
    for (let round = 0; round < 2; round += 1) {
      const before = proxy.refused().length;
      let isOver = false;
      const faults: string[] = [];
      const load = Array.from({ length: 16 }, async () => {
        while (!isOver) {
          await create().catch(async ({ code }: { code: number }) => {
            faults.push(String(code));
            await pause(PAUSE_MS);
          });
        }
      });
      await eventually("creates are written", async () => (await client.call("listTasks", {})).tasks.length > 0);
      proxy.refuse(ALL_BUT_SETTINGS, NOT_READY);
      await eventually("statements are refused", () => proxy.refused().length > before + 50);
      expect(await faultOf(create())).toMatchObject({ code: "UNAVAILABLE", reason: "DATABASE_UNAVAILABLE" });
      expect(await faultOf(client.call("getTask", { id: 1 }))).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
      await eventually("it is not ready", async () => !(await api.isReady()));
      proxy.allowAll();
      await api.ready();
      await create();
      isOver = true;
      await Promise.all(load);
      expect(new Set(faults)).toEqual(new Set(["14"]));
    }
    expect(api.output()).not.toMatch(/nobody caught|internal error/);
  });
});

describe("a commit that the database refuses", () => {
  it.each([
    ["and has not made", {}],
    ["and has made all the same", { afterRunning: true }],
  ])("%s is told as unavailable, and the same request is written once", async (_, options) => {
    const request = { task: task(), requestId: randomUUID() };
    proxy.refuse(COMMITS, NOT_COMMITTED, options);
    expect(await faultOf(client.call("createTask", request))).toMatchObject({
      ...{ code: "UNAVAILABLE", reason: "DATABASE_UNAVAILABLE" },
    });
    proxy.allowAll();
    const { task: created } = await client.call("createTask", request);
    expect((await client.call("createTask", request)).task).toEqual(created);
    const rows: { id: number }[] = await holder.query("SELECT id FROM tasks WHERE name = ?", [request.task.name]);
    expect(rows).toEqual([{ id: created!.id }]);
  });

  it("because of a conflict with another node is made again, and nobody is told", async () => {
    const conflict = { errno: 1213, sqlState: "40001", message: "Deadlock found when trying to get lock" };
    proxy.refuse(COMMITS, conflict, { times: 3 });
    const { task: created } = await create();
    expect(created!.id).toBeGreaterThan(0);
    const before = proxy.refused().length;
    proxy.refuse(COMMITS, conflict);
    expect(await faultOf(create())).toMatchObject({ code: "UNAVAILABLE", reason: "DATABASE_UNAVAILABLE" });
    expect(proxy.refused().length - before).toBe(8);
  });
});

describe("an error that no other attempt would mend", () => {
  it.each([
    ["a read-only server", 1290, "HY000", "UNAVAILABLE", "DATABASE_MISCONFIGURED"],
    ["a right that the account lacks", 1142, "42000", "UNAVAILABLE", "DATABASE_MISCONFIGURED"],
    ["a column that is not there", 1054, "42S22", "UNAVAILABLE", "DATABASE_MISCONFIGURED"],
    ["a table that is not there", 1146, "42S02", "UNAVAILABLE", "DATABASE_UNAVAILABLE"],
    ["a full disk", 1021, "HY000", "RESOURCE_EXHAUSTED", "DATABASE_FULL"],
    ["a full tablespace", 1114, "HY000", "RESOURCE_EXHAUSTED", "DATABASE_FULL"],
    ["an id range that is used up", 1467, "HY000", "RESOURCE_EXHAUSTED", "IDS_EXHAUSTED"],
    ["a transaction that is too large", 1197, "HY000", "RESOURCE_EXHAUSTED", "REQUEST_TOO_LARGE"],
    ["an error that nobody foresaw", 1644, "45000", "INTERNAL", "INTERNAL"],
  ])("such as %s (%d) has its reason", async (_what, errno, sqlState, code, reason) => {
    proxy.refuse(COMMITS, { errno, sqlState, message: "as the test has it" });
    const fault = await faultOf(create());
    expect(fault).toMatchObject({ code, reason });
    expect(fault.message).not.toMatch(/as the test has it|errno|INSERT/);
  });
});

describe("a database without room", () => {
  const full: Refusal = { errno: 1114, sqlState: "HY000", message: "The table is full" };
  const refusedCalls = (method: string) => {
    const labels = `service="taskscheduler.v1.SchedulerService",method="${method}",code="RESOURCE_EXHAUSTED"`;
    return metricOf(api, `taskscheduler_api_calls_total{${labels}}`);
  };
  let tasks: TaskClient;

  beforeAll(() => {
    tasks = createTaskClient(api.grpcAddress);
  });
  afterAll(() => tasks?.close());

  /** Tasks that fall due together, enough for a call to be split if it counted as too large. */
  const dueAt = (scheduledTimeMs: number) =>
    tasks.createAll(Array.from({ length: 40 }, () => ({ name: `due ${++serial}`, scheduledTimeMs })));
  const runOf = async (id: number): Promise<Run | undefined> => (await tasks.runs(id))[0];

  it("costs a scheduler neither its claims nor its reports", async () => {
    const scheduler = await startScheduler({ apiAddress: api.grpcAddress });
    await scheduler.ready();
    const claimed = await dueAt(Date.now() + 4_000);
    proxy.refuse(COMMITS, full);
    await eventually("claims are refused", async () => (await refusedCalls("ClaimExecutions")) > 3);
    proxy.allowAll();
    for (const { id } of claimed) {
      await eventually("it has run", async () => (await runOf(id))?.state === "SUCCEEDED");
    }
    const reported = await dueAt(Date.now() + 3_500);
    const last = reported.at(-1)!.id;
    await eventually("they are claimed", async () => (await runOf(last))?.state === "CLAIMED");
    const before = await runsOf(scheduler);
    proxy.refuse(COMMITS, full);
    await eventually("they have run", async () => (await runsOf(scheduler)) >= before + reported.length);
    await eventually("reports are refused", async () => (await refusedCalls("ReportExecutions")) > 3);
    proxy.allowAll();
    for (const { id } of reported) {
      await eventually("it is reported", async () => (await runOf(id))?.state === "SUCCEEDED");
      expect(await tasks.runs(id)).toMatchObject([{ attempt: 1 }]);
    }
    expect(await runsOf(scheduler)).toBe(before + reported.length);
    expect(scheduler.output()).not.toMatch(/refuses to judge|"level":"error"/);
    expect(await scheduler.stop()).toBe(0);
  });
});
