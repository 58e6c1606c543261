import { randomUUID } from "node:crypto";
import {
  type Execution,
  ExecutionState,
  ExecutionTrigger,
  type Task,
  type WatchExecutionsResponse,
  type WatchTasksResponse,
} from "@taskscheduler/proto";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, startApi, startScheduler } from "../setup/processes.js";
import {
  type ApiClient,
  type ApiClients,
  type ApiFixture,
  at,
  CLIENTS,
  clientsOf,
  startApiFixture,
  type TaskInit,
  type Watch,
} from "./api-fixture.js";

const NOBODY = 2_000_000_000;

let fixture: ApiFixture;
let secondApi: ApiProcess;
let secondClients: ApiClients;
/** Nothing ever concerns them: all they can hear are bookmarks. */
let quiet: Watch<WatchTasksResponse>;
let quietOfExecutions: Watch<WatchExecutionsResponse>;
const watches: { cancel(): void }[] = [];

beforeAll(async () => {
  fixture = await startApiFixture();
  secondApi = await startApi({ databaseUrl: fixture.database.url });
  await secondApi.ready();
  secondClients = clientsOf(secondApi);
  quiet = watch(fixture.client, { labelFilter: { nobody: "has this" } });
  quietOfExecutions = watchExecutions(fixture.client, { taskId: NOBODY });
});
afterEach(() => {
  for (const each of watches.splice(0)) if (each !== quiet && each !== quietOfExecutions) each.cancel();
});
afterAll(async () => {
  quiet?.cancel();
  quietOfExecutions?.cancel();
  secondClients?.close();
  await secondApi?.stop();
  await fixture?.stop();
});

const later = at("2100-01-31T09:30:00Z");

function watch(client: ApiClient, request: object = {}): Watch<WatchTasksResponse> {
  const opened = client.watch("watchTasks", request);
  watches.push(opened);
  return opened;
}

function watchExecutions(client: ApiClient, request: object = {}): Watch<WatchExecutionsResponse> {
  const opened = client.watch("watchExecutions", request);
  watches.push(opened);
  return opened;
}

async function create(init: TaskInit = {}, client = fixture.client): Promise<Task> {
  return (await client.call("createTask", { task: { name: randomUUID(), scheduledTime: later, ...init } })).task!;
}

const update = async (task: TaskInit, client = fixture.client) => (await client.call("updateTask", { task })).task!;

type AnyEvent = WatchTasksResponse | WatchExecutionsResponse;
const casesOf = (events: readonly AnyEvent[]) => events.map(({ event }) => event.case);
const isComplete = ({ event }: AnyEvent) => event.case === "snapshotComplete";

async function complete<E extends AnyEvent>(opened: Watch<E>): Promise<E> {
  return opened.until("the snapshot is complete", (events) => events.find(isComplete));
}

/** What came after the snapshot, without bookmarks: time alone decides when those come. */
function newsOf<E extends AnyEvent>({ events }: Watch<E>): E[] {
  const from = events.findIndex(isComplete);
  return events.slice(from + 1).filter(({ event }) => event.case !== "bookmark");
}

/** Resolves when the watcher has been told of the task. */
function told(opened: Watch<WatchTasksResponse>, id: number) {
  return opened.until(`an event of task ${id}`, (events) =>
    events.some(({ event }) => (event.case === "upserted" || event.case === "deleted") && event.value.id === id),
  );
}

describe.each(CLIENTS)("tasks, %s", (name) => {
  const client = () => fixture.clients[name];

  it("come as they stand, and then every change of them", async () => {
    const labels = { watched: randomUUID() };
    const standing = [await create({ labels }), await create({ labels }), await create({ labels })];
    const opened = watch(client(), { labelFilter: labels });
    const { revision, resumeToken } = await complete(opened);
    expect(casesOf(opened.events)).toEqual(["snapshot", "snapshot", "snapshot", "snapshotComplete"]);
    expect(opened.events.slice(0, 3).map(({ event }) => event.value)).toEqual(standing);
    for (const each of opened.events.slice(0, 3)) {
      expect(each.resumeToken).toBe("");
      expect(each.revision).toBeLessThanOrEqual(revision);
    }
    expect(resumeToken).not.toBe("");

    const { id } = standing[1]!;
    const told4 = [
      await create({ labels }),
      await update({ id, description: "changed" }),
      (await fixture.client.call("pauseTask", { id, reason: "r" })).task,
      (await fixture.client.call("resumeTask", { id })).task,
    ];
    await create();
    await fixture.client.call("deleteTask", { id });
    await opened.until("five changes", () => newsOf(opened).length >= 5);
    const news = newsOf(opened);
    expect(casesOf(news)).toEqual(["upserted", "upserted", "upserted", "upserted", "deleted"]);
    expect(news.slice(0, 4).map(({ event }) => event.value)).toEqual(told4);
    expect(news[4]?.event.value).toMatchObject({ id });
    [revision, ...news.map((each) => each.revision)].forEach((each, index, all) => {
      if (index > 0) expect(each).toBeGreaterThan(all[index - 1]!);
    });
  });

  it("resume after any event with exactly what followed it", async () => {
    const labels = { resumed: randomUUID() };
    const opened = watch(fixture.client, { labelFilter: labels });
    const begin = await complete(opened);
    const first = await create({ labels });
    await update({ id: first.id, description: "one" });
    const { results } = await fixture.client.call("batchCreateTasks", {
      tasks: Array.from({ length: 4 }, () => ({ name: randomUUID(), scheduledTime: later, labels })),
    });
    expect(results).toHaveLength(4);
    await update({ id: first.id, description: "two" }, secondClients[name]);
    await fixture.client.call("deleteTask", { id: first.id });
    await opened.until("eight changes", () => newsOf(opened).length === 8);
    const all = [begin, ...newsOf(opened)];
    const resumed = all.map(({ resumeToken }) => watch(client(), { resumeToken, labelFilter: labels }));
    const end = await create({ labels });
    await told(opened, end.id);
    for (const [index, each] of resumed.entries()) {
      await told(each, end.id);
      expect(each.events.filter(({ event }) => event.case !== "bookmark")).toEqual(newsOf(opened).slice(index));
    }
  });

  it("that no longer match are as good as deleted, also after a resume", async () => {
    const env = randomUUID();
    const labelFilter = { env, tier: "1" };
    const opened = watch(client(), { labelFilter });
    const begin = await complete(opened);
    const { id } = await create({ labels: { ...labelFilter, more: "x" } });
    await update({ id, labels: { env, tier: "2" } });
    await update({ id, labels: { env, tier: "3" } });
    await update({ id, labels: labelFilter });
    await update({ id, labels: { env } });
    await fixture.client.call("deleteTask", { id });
    const end = await create({ labels: labelFilter });
    await told(opened, end.id);
    const news = newsOf(opened);
    expect(casesOf(news)).toEqual(["upserted", "deleted", "upserted", "deleted", "upserted"]);
    for (const each of news.slice(0, 4)) expect(each.event.value).toMatchObject({ id });
    for (const [index, { resumeToken }] of [begin, ...news].slice(0, -1).entries()) {
      const resumed = watch(client(), { resumeToken, labelFilter });
      await told(resumed, end.id);
      expect(resumed.events).toEqual(news.slice(index));
    }
  });
});

describe("executions", () => {
  const statesOf = (events: readonly WatchExecutionsResponse[], taskId: number) =>
    events.flatMap(({ event }) => {
      const execution = event.case === "upserted" || event.case === "snapshot" ? event.value : undefined;
      return execution?.taskId === taskId ? [ExecutionState[execution.state]] : [];
    });

  it("begin with the unfinished ones, and follow each to its end; a fire is no change of a task", async () => {
    const labels = { fired: randomUUID() };
    const paused = await create({ labels });
    await fixture.client.call("pauseTask", { id: paused.id });
    const { execution: waiting } = await fixture.client.call("runTask", { id: paused.id });
    const ledgers = CLIENTS.map((name) => watchExecutions(fixture.clients[name]));
    const own = CLIENTS.map((name) => watchExecutions(fixture.clients[name], { taskId: paused.id }));
    for (const opened of [...ledgers, ...own]) {
      await complete(opened);
      expect(opened.events.filter(({ event }) => event.case === "snapshot").map(({ event }) => event.value)).toEqual([
        waiting,
      ]);
    }
    const opened = CLIENTS.map((name) => watch(fixture.clients[name], { labelFilter: labels }));
    await Promise.all(opened.map(complete));

    const scheduler = await startScheduler({ apiAddress: fixture.api.grpcAddress, schedulerId: "the one" });
    await scheduler.ready();
    const task = await create({ labels, scheduledTime: at(new Date(Date.now() + 1_500).toISOString()) });
    const succeeded = await eventually("the task has run", async () => {
      const { executions } = await fixture.client.call("listExecutions", { taskId: task.id });
      return executions.find(({ state }) => state === ExecutionState.SUCCEEDED);
    });
    expect(succeeded).toMatchObject({ schedulerId: "the one", trigger: ExecutionTrigger.SCHEDULE });
    await scheduler.stop();

    for (const ledger of ledgers) {
      const last = await ledger.until("it has succeeded", (events) =>
        events.map(({ event }) => event.value as Execution).find(({ id, state }) => id === succeeded.id && state === 5),
      );
      expect(last).toEqual(succeeded);
      expect(statesOf(ledger.events, task.id)).toEqual(["CLAIMED", "SUCCEEDED"]);
      expect(statesOf(ledger.events, paused.id)).toEqual(["PENDING", "CLAIMED", "SUCCEEDED"]);
    }
    for (const each of own) {
      await each.until("three states", (events) => statesOf(events, paused.id).length === 3);
      expect(statesOf(each.events, task.id)).toEqual([]);
    }
    const end = await create({ labels });
    for (const each of opened) {
      await told(each, end.id);
      expect(newsOf(each).map(({ event }) => event.value)).toEqual([task, end]);
    }

    const [ledger] = ledgers;
    const { execution: last } = await fixture.client.call("runTask", { id: end.id });
    await ledger!.until("the last", (events) => statesOf(events, last!.taskId).length === 1);
    const all = [ledger!.events.find(isComplete)!, ...newsOf(ledger!)];
    for (const [index, { resumeToken }] of all.slice(0, -1).entries()) {
      const resumed = watchExecutions(fixture.clients[CLIENTS[index % CLIENTS.length]!], { resumeToken });
      await resumed.until("the last", (events) => statesOf(events, last!.taskId).length === 1);
      expect(resumed.events.filter(({ event }) => event.case !== "bookmark")).toEqual(all.slice(index + 1));
    }
    await fixture.client.call("deleteTask", { id: end.id });
    await ledger!.until("the last is withdrawn", (events) => statesOf(events, last!.taskId).length === 2);
    expect(statesOf(ledger!.events, last!.taskId)).toEqual(["PENDING", "CANCELLED"]);
  });
});

describe("a snapshot of many pages, with writers at work", () => {
  type Picture = ReadonlyMap<number, Task>;

  function pictureAt(events: readonly WatchTasksResponse[], revision: bigint): Picture {
    const picture = new Map<number, Task>();
    for (const { event, revision: each } of events) {
      if (each > revision) continue;
      if (event.case === "snapshot" || event.case === "upserted") picture.set(event.value.id, event.value);
      if (event.case === "deleted") picture.delete(event.value.id);
    }
    return picture;
  }
  const inOrder = (picture: Picture) => [...picture.values()].sort((a, b) => a.id - b.id);

  it("is at its end what the log says for its revision", async () => {
    const labels = { many: randomUUID() };
    const reference = watch(fixture.client, { labelFilter: labels });
    await complete(reference);
    const ids: number[] = [];
    for (const count of [700, 500]) {
      const tasks = Array.from({ length: count }, () => ({ name: randomUUID(), scheduledTime: later, labels }));
      const { results } = await fixture.client.call("batchCreateTasks", { tasks });
      for (const { result } of results) if (result.case === "task") ids.push(result.value.id);
    }
    expect(ids).toHaveLength(1200);

    let isOver = false;
    let writes = 0;
    const writer = async (index: number) => {
      const client = index % 2 === 0 ? fixture.client : secondClients.gRPC;
      for (let i = index; !isOver; i += 4) {
        const id = ids[(i * 397) % ids.length]!;
        const kind = i % 5;
        if (kind === 0) await create({ labels }, client);
        else if (kind === 1) await client.call("deleteTask", { id: ids.splice((i * 397) % ids.length, 1)[0]! });
        else if (kind === 2) await update({ id, labels: { many: "elsewhere" } }, client).catch(isGone);
        else if (kind === 3) await update({ id, labels }, client).catch(isGone);
        else await update({ id, description: `${i}` }, client).catch(isGone);
        writes += 1;
      }
    };
    const isGone = (error: { code?: unknown }) => {
      if (error.code !== 5) throw error;
    };
    const writing = Promise.all([0, 1, 2, 3].map(writer));
    await eventually("the writers are at work", () => writes > 20);
    const snapshots = [...CLIENTS, CLIENTS[0]].map((name, index) =>
      watch((index < CLIENTS.length ? fixture.clients : secondClients)[name], { labelFilter: labels }),
    );
    const completes = await Promise.all(snapshots.map(complete));
    const writesMeanwhile = writes;
    await eventually("more is written after the snapshots", () => writes > writesMeanwhile + 20);
    isOver = true;
    await writing;
    const end = await create({ labels });
    const lastRevision = await reference.until("the end", (events) =>
      events.find(({ event }) => event.case === "upserted" && event.value.id === end.id),
    );

    for (const [index, opened] of snapshots.entries()) {
      await told(opened, end.id);
      const { revision } = completes[index]!;
      const position = opened.events.findIndex(isComplete);
      const picture = pictureAt(opened.events.slice(0, position), revision);
      expect(inOrder(picture)).toEqual(inOrder(pictureAt(reference.events, revision)));
      const since = reference.events.filter((each) => each.revision > revision && each.event.case !== "bookmark");
      expect(newsOf(opened)).toEqual(since);
      expect(inOrder(pictureAt(opened.events, lastRevision.revision))).toEqual(
        inOrder(pictureAt(reference.events, lastRevision.revision)),
      );
    }
    const changes = reference.events.filter(({ event }) => event.case === "upserted" || event.case === "deleted");
    const revisions = changes.map(({ revision }) => revision);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => (a < b ? -1 : 1)));
  });
});

describe("a resume token", () => {
  it.each(["x", "0123456789abcdef", "-1", "0123456789abcdef-", "0123456789ABCDEF-1", "0123456789abcdef-01", "é"])(
    "is refused when it is %s",
    async (resumeToken) => {
      for (const name of CLIENTS) {
        for (const opened of [
          watch(fixture.clients[name], { resumeToken }),
          watchExecutions(fixture.clients[name], { resumeToken }),
        ]) {
          expect(await opened.ended).toMatchObject({
            code: "INVALID_ARGUMENT",
            reason: "INVALID_RESUME_TOKEN",
            fields: ["resume_token"],
          });
        }
      }
    },
  );

  it("that is damaged is refused", async () => {
    const { resumeToken } = await complete(watch(fixture.client));
    for (const damaged of [resumeToken.slice(1), `${resumeToken}x`, resumeToken.replace("-", ""), ` ${resumeToken}`]) {
      expect(await watch(fixture.client, { resumeToken: damaged }).ended).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });

  it("of another database's log is out of range", async () => {
    const { resumeToken } = await complete(watch(fixture.client));
    const foreign = (resumeToken.startsWith("0") ? "1" : "0") + resumeToken.slice(1);
    for (const name of CLIENTS) {
      expect(await watch(fixture.clients[name], { resumeToken: foreign }).ended).toMatchObject({
        code: "OUT_OF_RANGE",
        reason: "RESUME_TOKEN_EXPIRED",
      });
    }
  });

  it("is good at another process at once", async () => {
    const labels = { moved: randomUUID() };
    const opened = watch(fixture.client, { labelFilter: labels });
    await complete(opened);
    for (let i = 0; i < 10; i += 1) {
      const { id } = await create({ labels });
      await told(opened, id);
      const { resumeToken } = opened.events.at(-1)!;
      const moved = watch(secondClients.gRPC, { labelFilter: labels, resumeToken });
      const next = await create({ labels });
      await told(moved, next.id);
      expect(newsOf(moved).map(({ event }) => event.value)).toEqual([next]);
      await told(opened, next.id);
    }
  });
});

describe("a bookmark", () => {
  it("moves a quiet watcher's token on, past what does not concern it", async () => {
    const { id } = await create();
    const bookmark = await quiet.until("a bookmark", (events) => events.find(({ event }) => event.case === "bookmark"));
    expect(casesOf(quiet.events).filter((each) => each !== "bookmark")).toEqual(["snapshotComplete"]);
    expect(bookmark.revision).toBeGreaterThan(quiet.events[0]!.revision);
    expect(bookmark.resumeToken).not.toBe(quiet.events[0]!.resumeToken);
    const resumed = watch(fixture.client, { resumeToken: bookmark.resumeToken });
    const next = await create();
    await told(resumed, next.id);
    const revisions = resumed.events.map(({ revision }) => revision);
    for (const revision of revisions) expect(revision).toBeGreaterThan(bookmark.revision);
    expect(next.id).toBeGreaterThan(id);
  });

  it("does so for a watcher of executions", async () => {
    const { id } = await create();
    const bookmark = await quietOfExecutions.until("a bookmark", (events) =>
      events.find(({ event, revision }) => event.case === "bookmark" && revision > events[0]!.revision),
    );
    expect(casesOf(quietOfExecutions.events).filter((each) => each !== "bookmark")).toEqual(["snapshotComplete"]);
    const resumed = watchExecutions(fixture.client, { resumeToken: bookmark.resumeToken, taskId: id });
    const { execution } = await fixture.client.call("runTask", { id });
    const events = await resumed.until("the run", (all) => all.some(({ event }) => event.case === "upserted") && all);
    const told = events.filter(({ event }) => event.case !== "bookmark");
    expect(told.map(({ event }) => event.value)).toEqual([execution]);
    expect(told[0]!.revision).toBeGreaterThan(bookmark.revision);
  });
});
