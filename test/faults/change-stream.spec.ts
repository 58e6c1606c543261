import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, startApi } from "../setup/processes.js";
import { createRandom, type Random } from "../setup/random.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { startWatcher, type Watcher } from "./change-watchers.js";

const WRITERS = 32;
/** Few, so that writers meet at them. */
const NAMES = 60;
const FAR_MS = Date.now() + 30 * 24 * 60 * 60 * 1000;

let server: PrivateServer;
let database: TestDatabase;
let apis: ApiProcess[] = [];
let clients: TaskClient[] = [];

beforeAll(async () => {
  server = await startPrivateServer();
});

beforeEach(async () => {
  database = await createTestDatabase(server.url);
  apis = await Promise.all([1, 2].map(() => startApi({ databaseUrl: database.url })));
  await Promise.all(apis.map((api) => api.ready()));
  clients = apis.map((api) => createTaskClient(api.grpcAddress));
});

afterEach(async () => {
  for (const client of clients) client.close();
  await killAll();
});

afterAll(() => server?.stop());

/** Writers that create, change and delete tasks of the same names, and remember what was acknowledged. */
function startWriters(random: Random) {
  /** As watchers are told it, but without the revision. */
  const acknowledged: string[] = [];
  const ids = new Map<string, number>();
  let unanswered = 0;
  let stopped = false;
  let serial = 0;

  async function change(client: TaskClient): Promise<void> {
    const name = `task ${random.below(NAMES)}`;
    const id = ids.get(name);
    if (id === undefined) {
      const task = await client.create({ name, scheduledTimeMs: FAR_MS });
      ids.set(name, task.id);
      acknowledged.push(`upserted ${task.etag}`);
    } else if (random.below(10) < 3) {
      await client.remove(id);
      if (ids.get(name) === id) ids.delete(name);
      acknowledged.push(`deleted ${id}`);
    } else {
      const task = { id, description: `change ${++serial}` };
      const answer = await client.tasks.unary("updateTask", { task }, { deadline: Date.now() + 10_000 });
      acknowledged.push(`upserted ${answer.task?.etag}`);
    }
  }

  async function write(client: TaskClient): Promise<void> {
    while (!stopped) {
      try {
        await change(client);
      } catch (error) {
        const text = String(error);
        if (/NOT_FOUND/.test(text)) forgetGone(text);
        else if (/ALREADY_EXISTS/.test(text)) await learn(client).catch(() => undefined);
        else if (/UNAVAILABLE|DEADLINE_EXCEEDED/.test(text)) {
          unanswered += 1;
          await new Promise((resolve) => setTimeout(resolve, 20));
        } else throw error;
      }
    }
  }

  function forgetGone(text: string): void {
    const gone = Number(/there is no task (\d+)/.exec(text)?.[1]);
    for (const [name, id] of ids) if (id === gone) ids.delete(name);
  }

  /** A name that another writer took, or that was taken by a call whose answer was lost. */
  async function learn(client: TaskClient): Promise<void> {
    for (const { name, id } of await client.list()) if (!ids.has(name)) ids.set(name, id);
  }

  const writers = Promise.all(Array.from({ length: WRITERS }, (_, index) => write(clients[index % clients.length]!)));
  return {
    acknowledged,
    unanswered: () => unanswered,
    reached: (count: number) =>
      eventually(`${count} changes are acknowledged`, () => acknowledged.length >= count, 60_000),
    async stop() {
      stopped = true;
      await writers;
    },
  };
}

/** Of a log without a change. */
async function firstToken(): Promise<string> {
  const stream = clients[0]!.tasks.stream("watchTasks", {});
  stream.on("error", () => undefined);
  for await (const event of stream) {
    stream.cancel();
    expect(event).toMatchObject({ event: { case: "snapshotComplete" }, revision: 0n });
    return event.resumeToken;
  }
  throw new Error("the stream ended");
}

function startWatchers(token: string, random: Random): Watcher[] {
  const watch = (name: string, where: readonly TaskClient[], resumeToken: string, dropAfter?: number) =>
    startWatcher({ name, clients: where, resumeToken, random, ...(dropAfter === undefined ? {} : { dropAfter }) });
  return [
    watch("steady at the first", [clients[0]!], token),
    watch("steady at the second", [clients[1]!], token),
    watch("dropping at the first", [clients[0]!], token, 300),
    watch("dropping at the second", [clients[1]!], token, 100),
    watch("dropping, at either", clients, token, 50),
    watch("dropping often, at either", clients, token, 10),
  ];
}

const startLatecomers = (random: Random) =>
  clients.map((client, index) =>
    startWatcher({ name: `late ${index}`, clients: [client], resumeToken: "", random, dropAfter: 500 }),
  );

/** Waits until all have been told the last change, and judges what they were told. */
async function judge(
  token: string,
  watchers: Watcher[],
  latecomers: Watcher[],
  acknowledged: readonly string[],
  random: Random,
) {
  await clients[0]!.create({ name: "the last change", scheduledTimeMs: FAR_MS });
  const fresh = startWatcher({ name: "afterwards", clients: [clients[1]!], resumeToken: token, random });
  const last = await eventually(
    "the last change is told",
    async () => {
      const final = (await clients[0]!.list()).find(({ name }) => name === "the last change");
      return fresh.told.at(-1)?.endsWith(` upserted ${final?.etag}`) && fresh.lastRevision();
    },
    30_000,
  );
  const all = [...watchers, ...latecomers, fresh];
  await eventually(
    "all are told",
    () => all.every((watcher) => watcher.fault() ?? watcher.lastRevision() >= last),
    30_000,
  );
  await Promise.all(all.map((watcher) => watcher.stop()));
  expect(all.map((watcher) => watcher.fault()).filter((fault) => fault !== undefined)).toEqual([]);

  const log = fresh.told;
  expect(log.map((change) => Number(change.split(" ")[0]))).toEqual(
    Array.from({ length: last }, (_, index) => index + 1),
  );
  for (const watcher of watchers)
    expect({ name: watcher.name, told: watcher.told }).toEqual({ name: watcher.name, told: log });
  const changes = log.map((change) => change.slice(change.indexOf(" ") + 1));
  expect(new Set(changes).size).toBe(changes.length);
  const inLog = new Set(changes);
  expect(acknowledged.filter((change) => !inLog.has(change))).toEqual([]);
  const tasks = new Map((await clients[1]!.list()).map(({ id, etag }) => [id, etag]));
  for (const { name, known } of all) expect({ name, known: sorted(known) }).toEqual({ name, known: sorted(tasks) });
  process.stderr.write(
    `change stream: ${log.length} changes, ${acknowledged.length} acknowledged; resumed ${all.map((w) => w.resumed()).join(", ")} times\n`,
  );
  return log;
}

const sorted = (tasks: ReadonlyMap<number, string>) => [...tasks].sort(([a], [b]) => a - b);

describe("a change stream, with 32 writers at two APIs", () => {
  it("leaves out nothing, repeats nothing, and keeps the order, for watchers that stay and those that come back", async () => {
    const random = createRandom("change stream");
    const token = await firstToken();
    const watchers = startWatchers(token, random);
    const writers = startWriters(random);
    await writers.reached(2_000);
    const latecomers = startLatecomers(random);
    await writers.reached(5_000);
    await writers.stop();
    const log = await judge(token, watchers, latecomers, writers.acknowledged, random);
    // Nobody was refused, so that each change that is there was acknowledged; and the last one.
    expect(writers.unanswered()).toBe(0);
    expect(log).toHaveLength(writers.acknowledged.length + 1);
  }, 120_000);

  it("tells nothing that a death of the database takes back", async () => {
    const random = createRandom("change stream, database killed");
    const token = await firstToken();
    const watchers = startWatchers(token, random);
    const writers = startWriters(random);
    let latecomers: Watcher[] = [];
    for (const count of [600, 1_200, 1_800]) {
      await writers.reached(count);
      await server.kill();
      await server.start();
      if (latecomers.length === 0) latecomers = startLatecomers(random);
    }
    await writers.reached(2_500);
    await writers.stop();
    await judge(token, watchers, latecomers, writers.acknowledged, random);
    expect(writers.unanswered()).toBeGreaterThan(0);
  }, 120_000);
});
