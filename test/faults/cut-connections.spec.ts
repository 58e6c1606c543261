import { type CuttingProxy, startCuttingProxy } from "../setup/cutting-proxy.js";
import { eventually } from "../setup/eventually.js";
import { metricOf, runsOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createRandom } from "../setup/random.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { expectCompleted, expectEachOnce, startFlow, worstLatenessMs } from "./flow.js";
import { type Written, writeAll } from "./resending-writers.js";
import { type TaskWatcher, watchTasks } from "./task-watcher.js";

/** Room for a busy machine. */
jest.setTimeout(90_000);

const WRITERS = 4;
const REQUESTS = 120;
const FLOW = { count: 40, intervalMs: 100, afterMs: 1_500 };
/** Pieces that pass in one direction before a cut, at most. A connection to the database is set up by about 8. */
const CALLER_PIECES = 20;
const SCHEDULER_PIECES = 12;
const DATABASE_PIECES = 60;
const LIMIT_MS = 60_000;

const random = createRandom("cut connections");
let database: TestDatabase;
let proxies: CuttingProxy[] = [];
let clients: TaskClient[] = [];

beforeEach(async () => {
  database = await createTestDatabase();
});

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await killAll();
  await Promise.all(proxies.map((proxy) => proxy.close()));
  proxies = [];
  await database.drop();
}, 30_000);

async function launchApi(databaseUrl = database.url): Promise<ApiProcess> {
  const api = await startApi({ databaseUrl });
  await api.ready();
  return api;
}

async function proxyTo(port: number): Promise<CuttingProxy> {
  const proxy = await startCuttingProxy(port, random);
  proxies.push(proxy);
  return proxy;
}

function clientOf(grpcAddress: string): TaskClient {
  const client = createTaskClient(grpcAddress);
  clients.push(client);
  return client;
}

const grpcPortOf = (api: ApiProcess) => Number(api.grpcAddress.split(":")[1]);
const cuts = () => proxies.reduce((sum, proxy) => sum + proxy.cuts(), 0);

async function watch(name: string, client: TaskClient): Promise<TaskWatcher> {
  const watcher = watchTasks({ name, clients: [client], resumeToken: "", random });
  await eventually(`${name} has its snapshot`, () => watcher.fault() !== undefined || watcher.lastRevision() >= 0);
  return watcher;
}

/** All that was answered is there, nothing else, and each change was told to each watcher once. */
async function expectWritten(written: Written, client: TaskClient, watchers: readonly TaskWatcher[]): Promise<void> {
  expect((await client.list()).filter(({ name }) => name.startsWith("writer"))).toEqual(written.tasks);
  const known = new Set(written.changes);
  for (const watcher of watchers) {
    const told = () => watcher.told.map((change) => change.slice(change.indexOf(" ") + 1));
    await eventually(`${watcher.name} was told all`, () => {
      const seen = new Set(told());
      return watcher.fault() !== undefined || written.changes.every((change) => seen.has(change));
    });
    await watcher.stop();
    expect(watcher.fault()).toBeUndefined();
    expect(told().filter((change) => !known.has(change))).toEqual([]);
    expect(told().sort()).toEqual([...written.changes].sort());
  }
}

/** Resolves when the scheduler has run the whole flow, and knows that the API knows: asked of itself, whatever is cut. */
async function allReported(scheduler: ServiceProcess): Promise<void> {
  const isDone = async () =>
    (await runsOf(scheduler)) >= FLOW.count && (await metricOf(scheduler, "taskscheduler_scheduler_claims_held")) === 0;
  await eventually("all has run and is reported", isDone, LIMIT_MS);
}

/** No cut is a defect of the API's. */
async function expectNoInternalErrors(api: ApiProcess): Promise<void> {
  const metrics = await (await fetch(`${api.httpUrl}/metrics`)).text();
  expect(metrics.split("\n").filter((line) => line.includes('code="INTERNAL"'))).toEqual([]);
  expect(api.output()).not.toContain("internal error");
}

describe("connections are cut at random bytes", () => {
  it("between callers and the API: each request takes effect once, and streams go on where they were", async () => {
    const api = await launchApi();
    const writers = await Promise.all(
      Array.from({ length: WRITERS + 1 }, async () => clientOf(`127.0.0.1:${(await proxyTo(grpcPortOf(api))).port}`)),
    );
    const direct = clientOf(api.grpcAddress);
    const watchers = [await watch("steady", direct), await watch("cut", writers.pop()!)];
    for (const proxy of proxies) proxy.cutWithin(CALLER_PIECES);
    const written = await writeAll(writers, REQUESTS, random);
    await expectWritten(written, direct, watchers);
    process.stderr.write(
      `cut connections: callers: ${cuts()} cuts, ${written.resent} of ${written.changes.length} requests sent again, ` +
        `a watcher resumed ${watchers[1]!.resumed()} times\n`,
    );
    expect(written.resent).toBeGreaterThan(10);
    expect(watchers[1]!.resumed()).toBeGreaterThan(3);
    await expectNoInternalErrors(api);
  });

  it("between the scheduler and the API: each occurrence runs once, none early", async () => {
    const api = await launchApi();
    const proxy = await proxyTo(grpcPortOf(api));
    const scheduler = await startScheduler({ apiAddress: `127.0.0.1:${proxy.port}` });
    await scheduler.ready();
    const client = clientOf(api.grpcAddress);
    const flow = await startFlow(client, { prefix: "flow", ...FLOW });
    proxy.cutWithin(SCHEDULER_PIECES);
    await allReported(scheduler);
    proxy.cutWithin(undefined);
    const runs = await flow.ended(LIMIT_MS);
    expectEachOnce(flow.tasks, runs);
    process.stderr.write(
      `cut connections: scheduler: ${cuts()} cuts, at most ${worstLatenessMs(runs)} ms late, ` +
        `${runs.filter(({ attempt }) => attempt > 1).length} taken over\n`,
    );
    expect(cuts()).toBeGreaterThan(2);
    expect(await runsOf(scheduler)).toBe(FLOW.count);
    await expectCompleted(client, flow.tasks);
    await expectNoInternalErrors(api);
  });

  it("between the API and its database: no acknowledged write is lost, none is made twice, and the pool recovers", async () => {
    const url = new URL(database.url);
    const proxy = await proxyTo(Number(url.port));
    url.host = `127.0.0.1:${proxy.port}`;
    const api = await launchApi(url.href);
    const scheduler = await startScheduler({ apiAddress: api.grpcAddress });
    await scheduler.ready();
    const writers = Array.from({ length: WRITERS }, () => clientOf(api.grpcAddress));
    const [client] = writers as [TaskClient];
    const flow = await startFlow(client, { prefix: "flow", ...FLOW });
    const watcher = await watch("steady", client);
    proxy.cutWithin(DATABASE_PIECES);
    const [written] = await Promise.all([writeAll(writers, REQUESTS, random), allReported(scheduler)]);
    proxy.cutWithin(undefined);
    await api.ready();
    const runs = await flow.ended(LIMIT_MS);
    await expectWritten(written, client, [watcher]);
    expectEachOnce(flow.tasks, runs);
    await expectCompleted(client, flow.tasks);
    process.stderr.write(
      `cut connections: database: ${cuts()} cuts, ${written.resent} of ${written.changes.length} requests sent again, ` +
        `runs at most ${worstLatenessMs(runs)} ms late\n`,
    );
    expect(cuts()).toBeGreaterThan(10);
    const drafts = Array.from({ length: 50 }, (_, index) => ({
      name: `after ${index}`,
      scheduledTimeMs: Date.now() + 1e9,
    }));
    await Promise.all(drafts.map((draft) => client.create(draft)));
    expect(await metricOf(api, "taskscheduler_api_database_waiters")).toBe(0);
    await expectNoInternalErrors(api);
  });
});
