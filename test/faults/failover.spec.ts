import { once } from "node:events";
import { SchedulerService, type WatchTasksResponse } from "@taskscheduler/proto";
import { freePort } from "../../scripts/ports.mjs";
import { type GrpcClient, grpcClient } from "../setup/clients.js";
import { eventually } from "../setup/eventually.js";
import { runsOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { type SeverableNetwork, startSeverableNetwork } from "../setup/severable-network.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { expectCompleted, expectEachOnce, type Flow, startFlow, worstLatenessMs } from "./flow.js";

/** Room for a busy machine. */
jest.setTimeout(90_000);

/** The default. */
const LEASE_MS = 5_000;
const ROOM_MS = 3_000;
const LIMIT_MS = 60_000;
/** Without waiting for anything, on a busy machine. */
const AT_ONCE_MS = 1_000;
const UNAVAILABLE = 14;
const FLOW = { count: 60, intervalMs: 50, afterMs: 1_500 };

interface Place {
  readonly ports: { readonly httpPort: number; readonly grpcPort: number };
  readonly databaseUrl: string;
  readonly client: TaskClient;
  api: ApiProcess | undefined;
}

let database: TestDatabase;
/** Between the far API and the database. */
let network: SeverableNetwork;
let near: Place;
let far: Place;
let schedulers: ServiceProcess[];
let flows = 0;

async function place(databaseUrl: string): Promise<Place> {
  const ports = { httpPort: await freePort(), grpcPort: await freePort() };
  return { ports, databaseUrl, client: createTaskClient(addressOf({ ports })), api: undefined };
}

const addressOf = ({ ports }: Pick<Place, "ports">) => `127.0.0.1:${ports.grpcPort}`;

async function launch(at: Place): Promise<void> {
  at.api = await startApi({ databaseUrl: at.databaseUrl, ...at.ports });
  await at.api.ready();
}

/** To which API a scheduler is connected, as it said last. */
function connectedTo(scheduler: ServiceProcess): string | undefined {
  return [...scheduler.output().matchAll(/"api":"([^"]+)","msg":"connected to an API"/g)].at(-1)?.[1];
}

async function expectAllAt(where: Place): Promise<void> {
  await eventually("both schedulers are there", async () => {
    const isReady = await Promise.all(schedulers.map((scheduler) => scheduler.isReady()));
    return isReady.every(Boolean) && schedulers.every((scheduler) => connectedTo(scheduler) === addressOf(where));
  });
}

const registrations = () =>
  schedulers.flatMap((each) => each.output().match(/"registered with the API"/g) ?? []).length;
const runs = async () => (await Promise.all(schedulers.map(runsOf))).reduce((sum, count) => sum + count, 0);

/** Tasks that fall due while the schedulers lose their API: each runs once, late by a lease at most, at the other one. */
async function expectFailover(from: Place, to: Place, lose: () => unknown): Promise<void> {
  await expectAllAt(from);
  const runsBefore = await runs();
  const flow: Flow = await startFlow(to.client, { prefix: `flow ${++flows}:`, ...FLOW });
  await flow.ran(5);
  await lose();
  const rows = await flow.ended(LIMIT_MS);
  expectEachOnce(flow.tasks, rows);
  await expectCompleted(to.client, flow.tasks);
  process.stderr.write(`failover: at most ${worstLatenessMs(rows)} ms late\n`);
  expect(worstLatenessMs(rows)).toBeLessThan(LEASE_MS + ROOM_MS);
  await expectAllAt(to);
  expect(await runs()).toBe(runsBefore + flow.tasks.length);
  expect(registrations()).toBe(schedulers.length);
}

beforeAll(async () => {
  database = await createTestDatabase();
  const url = new URL(database.url);
  network = await startSeverableNetwork(Number(url.port));
  url.port = String(network.port);
  [near, far] = [await place(database.url), await place(url.href)];
  await launch(far);
  const apiAddress = [near, far].map(addressOf).join(",");
  schedulers = await Promise.all(["one", "two"].map((schedulerId) => startScheduler({ apiAddress, schedulerId })));
  await Promise.all(schedulers.map((scheduler) => scheduler.ready()));
  await launch(near);
});

afterAll(async () => {
  for (const each of [near, far]) each?.client.close();
  await killAll();
  await network?.close();
  await database?.drop();
});

/** A watch of all tasks at the far API, as its readers see it. */
async function watchFar() {
  const stream = far.client.tasks.stream("watchTasks", {});
  const told: string[] = [];
  let resumeToken = "";
  stream.on("data", ({ event, resumeToken: token }: WatchTasksResponse) => {
    if (event.case === "upserted") told.push(event.value.name);
    if (token !== "") resumeToken = token;
  });
  const ended = once(stream, "error").then(([error]: { code: number; details: string }[]) => error);
  await eventually("the snapshot is complete", () => resumeToken !== "");
  return { told, ended, resumeToken: () => resumeToken, cancel: () => stream.cancel() };
}

const isRefusing = async (schedulerService: GrpcClient<typeof SchedulerService>) => {
  const beganMs = performance.now();
  const error = await schedulerService.unary("heartbeat", { incarnation: 1 }).catch((failure: unknown) => failure);
  return performance.now() - beganMs < AT_ONCE_MS && (error as { code?: number }).code === UNAVAILABLE;
};

describe("two schedulers with two APIs", () => {
  it("go to the other API when packets between theirs and the database vanish", async () => {
    const watch = await watchFar();
    await expectFailover(far, near, () => network.swallow());
    expect(await far.api?.isReady()).toBe(false);
    const schedulerService = grpcClient(SchedulerService, addressOf(far));
    expect(await isRefusing(schedulerService)).toBe(true);
    schedulerService.close();
    // Its readers go on at the other API: what they were told last, and what they lack, is known there.
    expect(await watch.ended).toMatchObject({ code: UNAVAILABLE, details: expect.stringContaining("database") });
    const { name } = await near.client.create({ name: "meanwhile", scheduledTimeMs: Date.now() + 86_400_000 });
    const resumed = near.client.tasks.stream("watchTasks", { resumeToken: watch.resumeToken() });
    resumed.on("error", () => undefined);
    const [first] = await once(resumed, "data");
    expect(first.event.value.name).toBe(name);
    resumed.cancel();
  });

  it("leave the watches alone when an API lacks its database for a moment", async () => {
    network.mend();
    await far.api?.ready();
    const watch = await watchFar();
    network.cut();
    await eventually("it is not ready", async () => (await far.api?.isReady()) === false);
    network.mend();
    await far.api?.ready();
    const { name } = await near.client.create({ name: "afterwards", scheduledTimeMs: Date.now() + 86_400_000 });
    await eventually("it is told", () => watch.told.includes(name));
    watch.cancel();
    await watch.ended;
  });

  it("go back when that has its database again, and the other is killed", async () => {
    await expectFailover(near, far, () => near.api?.kill());
  });

  it("go to the other when the connections of theirs to the database break", async () => {
    await launch(near);
    await expectFailover(far, near, () => network.cut());
    network.mend();
    await far.api?.ready();
  });

  it("go to the other when theirs is told to stop", async () => {
    await expectFailover(near, far, () => near.api?.stop());
  });
});
