import { ExecutionState, type Task } from "@taskscheduler/proto";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, startApi } from "../setup/processes.js";
import { type ApiClients, type ApiFixture, at, CLIENTS, clientsOf, startApiFixture } from "./api-fixture.js";

const env = { CHANGE_RETENTION_MS: "1000" };

let fixture: ApiFixture;
/** Begins after the log has been purged: it remembers nothing. */
let secondApi: ApiProcess;
let clients: ApiClients;
/** Of the snapshot and of the changes after it, the newest last. */
let tokens: string[];

beforeAll(async () => {
  fixture = await startApiFixture(env);
  const opened = fixture.client.watch("watchTasks");
  await opened.until("the snapshot is complete", (events) => events.length === 1);
  await create("one");
  await create("two");
  tokens = await opened.until("two changes", ({ length }) => length === 3 && opened.events.map((e) => e.resumeToken));
  opened.cancel();
  await purged();
  secondApi = await startApi({ databaseUrl: fixture.database.url, env });
  await secondApi.ready();
  clients = clientsOf(secondApi);
});
afterAll(async () => {
  clients?.close();
  await secondApi?.stop();
  await fixture?.stop();
});

function purged() {
  return eventually("the log is purged", async () => {
    const [row] = await fixture.query("SELECT COUNT(*) AS n FROM changes");
    return row?.["n"] === 0;
  });
}

async function create(name: string): Promise<Task | undefined> {
  const scheduledTime = at("2100-01-31T09:30:00Z");
  return (await fixture.client.call("createTask", { task: { name, scheduledTime } })).task;
}

it.each(CLIENTS)("tells %s that an older token is out of range", async (name) => {
  for (const resumeToken of tokens.slice(0, -1)) {
    for (const method of ["watchTasks", "watchExecutions"] as const) {
      const expired = clients[name].watch(method, { resumeToken });
      expect(await expired.ended).toMatchObject({ code: "OUT_OF_RANGE", reason: "RESUME_TOKEN_EXPIRED" });
      expect(expired.events).toEqual([]);
    }
  }
});

it("lets the newest token go on, and a watcher begin anew", async () => {
  const resumed = clients.gRPC.watch("watchTasks", { resumeToken: tokens.at(-1)! });
  const fresh = clients.gRPC.watch("watchTasks");
  await fresh.until("the snapshot is complete", (events) => events.length === 3);
  expect(fresh.events.map(({ event }) => event.case)).toEqual(["snapshot", "snapshot", "snapshotComplete"]);
  const value = await create("three");
  for (const opened of [resumed, fresh]) {
    await opened.until("the third", (events) => events.at(-1)?.event.case === "upserted");
    expect(opened.events.at(-1)?.event).toEqual({ case: "upserted", value });
    opened.cancel();
  }
  expect(resumed.events).toHaveLength(1);
});

it.each(CLIENTS)("lets a watcher of executions begin anew with what is unfinished, %s", async (name) => {
  const { id } = (await create(`waits, ${name}`))!;
  // Nobody runs it: there is no scheduler.
  const { execution } = await fixture.client.call("runTask", { id });
  await purged();
  const [resumeToken] = tokens;
  expect(await clients[name].watch("watchExecutions", { resumeToken: resumeToken! }).ended).toMatchObject({
    code: "OUT_OF_RANGE",
    reason: "RESUME_TOKEN_EXPIRED",
  });
  const fresh = clients[name].watch("watchExecutions");
  const complete = await fresh.until("the snapshot is complete", (events) => events[1]);
  expect(fresh.events.map(({ event }) => event)).toMatchObject([
    { case: "snapshot", value: execution! },
    { case: "snapshotComplete" },
  ]);
  const resumed = clients[name].watch("watchExecutions", { resumeToken: complete.resumeToken });
  await fixture.client.call("deleteTask", { id });
  for (const opened of [fresh, resumed]) {
    await opened.until("it is withdrawn", (events) => events.at(-1)?.event.case === "upserted");
    expect(opened.events.at(-1)?.event.value).toMatchObject({ id: execution!.id, state: ExecutionState.CANCELLED });
    opened.cancel();
  }
  expect(resumed.events).toHaveLength(1);
});

it("of a process that stood still for longer ends its watches, and new ones begin anew", async () => {
  const open = clients.gRPC.watch("watchTasks");
  const { resumeToken } = await open.until("the snapshot is complete", (events) => events[3]);
  secondApi.signal("SIGSTOP");
  const four = await create("four");
  await purged();
  // What it had asked for at that moment may have been answered with the fourth; the pause is after that.
  await fixture.client.call("pauseTask", { id: four!.id });
  await purged();
  secondApi.signal("SIGCONT");
  expect(await open.ended).toMatchObject({ code: "OUT_OF_RANGE", reason: "RESUME_TOKEN_EXPIRED" });
  for (const name of CLIENTS) {
    expect(await clients[name].watch("watchTasks", { resumeToken }).ended).toMatchObject({ code: "OUT_OF_RANGE" });
    const fresh = clients[name].watch("watchTasks");
    await fresh.until("the snapshot is complete", (events) => events.length === 5);
    const value = await create(`after the standstill, ${name}`);
    await fresh.until("a change", (events) => events.length === 6);
    expect(fresh.events.at(-1)?.event).toEqual({ case: "upserted", value });
    fresh.cancel();
    await fixture.client.call("deleteTask", { id: value!.id });
  }
});

it("reaches back a day, unless told otherwise", async () => {
  const own = await startApiFixture();
  try {
    const opened = own.client.watch("watchTasks");
    await opened.until("the snapshot is complete", (events) => events.length === 1);
    for (const name of ["two days ago", "yesterday", "today"]) {
      await own.client.call("createTask", { task: { name, scheduledTime: at("2100-01-31T09:30:00Z") } });
    }
    const told = await opened.until("three changes", (events) => events.length === 4 && events);
    opened.cancel();
    await own.query("UPDATE changes SET commit_time = commit_time - INTERVAL 25 HOUR WHERE revision <= 2");
    await own.query("UPDATE changes SET commit_time = commit_time - INTERVAL 23 HOUR WHERE revision = 3");
    // It purges at its start, and remembers nothing.
    const later = await startApi({ databaseUrl: own.database.url });
    await later.ready();
    const fresh = clientsOf(later);
    await eventually("what is older is purged", async () => {
      const rows = await own.query("SELECT revision FROM changes");
      return rows.length === 1;
    });
    const [begin, first, second] = told.map(({ resumeToken }) => resumeToken);
    for (const resumeToken of [begin!, first!]) {
      expect(await fresh.gRPC.watch("watchTasks", { resumeToken }).ended).toMatchObject({ code: "OUT_OF_RANGE" });
    }
    const resumed = fresh.gRPC.watch("watchTasks", { resumeToken: second! });
    expect(await resumed.until("what came after it", (events) => events[0]?.event)).toEqual(told[3]!.event);
    resumed.cancel();
    fresh.close();
    expect(await later.stop()).toBe(0);
  } finally {
    // Not by its own stop, which would end the file's other processes as well.
    own.clients.close();
    await own.api.stop();
    await own.database.drop();
  }
});
