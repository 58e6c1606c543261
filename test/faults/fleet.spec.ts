import { randomUUID } from "node:crypto";
import { SchedulerService } from "@taskscheduler/proto";
import { createConnection } from "mariadb";
import { freePort } from "../../scripts/ports.mjs";
import { grpcClient } from "../setup/clients.js";
import { eventually } from "../setup/eventually.js";
import { runsOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient, type Run, type TaskClient, type TaskView } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { expectCompleted, expectEachOnce, type Flow, startFlow, worstLatenessMs } from "./flow.js";

const LEASE_MS = 1_500;
const SHARDS = 64;
const FLOW = { count: 80, intervalMs: 50, afterMs: 1_200 };
const LIMIT_MS = 60_000;
/** Without a death nothing waits for a lease, nor for the sweep of what is overdue. */
const HAND_OVER_LATENESS_MS = LEASE_MS - 100;

let database: TestDatabase;
let apis: ApiProcess[];
let clients: TaskClient[];
let client: TaskClient;
let schedulers: ServiceProcess[] = [];
let flows = 0;
const ports = { httpPort: 0, grpcPort: 0 };

const launchApi = (fixed?: typeof ports) =>
  startApi({ databaseUrl: database.url, ...fixed, env: { LEASE_MS: String(LEASE_MS) } });

beforeAll(async () => {
  database = await createTestDatabase();
  Object.assign(ports, { httpPort: await freePort(), grpcPort: await freePort() });
  apis = await Promise.all([launchApi(), launchApi(ports)]);
  await Promise.all(apis.map((api) => api.ready()));
  clients = apis.map((api) => createTaskClient(api.grpcAddress));
  client = clients[0]!;
});

afterEach(async () => {
  await Promise.all(schedulers.map((scheduler) => scheduler.stop()));
  schedulers = [];
});

afterAll(async () => {
  for (const each of clients ?? []) each.close();
  await killAll();
  await database?.drop();
});

async function launchScheduler(schedulerId: string, api = apis[0]!): Promise<ServiceProcess> {
  const scheduler = await startScheduler({ apiAddress: api.grpcAddress, schedulerId });
  schedulers.push(scheduler);
  return scheduler;
}

/** How many shards a scheduler serves, as it said last. */
function shardsOf(scheduler: ServiceProcess): number {
  return Number([...scheduler.output().matchAll(/"shards":(\d+)/g)].at(-1)?.[1] ?? -1);
}

/** Resolves when all shards are shared out among exactly these, and each has some. */
async function sharedOut(among: readonly ServiceProcess[]): Promise<void> {
  await eventually("the shards are shared out", async () => {
    const shards = among.map(shardsOf);
    const ready = await Promise.all(among.map((scheduler) => scheduler.isReady()));
    const isWhole = shards.reduce((sum, count) => sum + count, 0) === SHARDS;
    return isWhole && shards.every((count) => count > 0) && ready.every(Boolean);
  });
}

const flow = () => startFlow(client, { prefix: `flow ${++flows}:`, ...FLOW });
/** The first flow may be over before who came was ready, on a busy machine; the second is not. */
async function withAnother(first: Flow): Promise<{ tasks: TaskView[]; runs: Run[] }> {
  const flows = [first, await flow()];
  const runs = await Promise.all(flows.map(({ ended }) => ended(LIMIT_MS)));
  return { tasks: flows.flatMap(({ tasks }) => tasks), runs: runs.flat() };
}

const ranBy = (runs: readonly Run[], name: string) => runs.filter(({ schedulerId }) => schedulerId === name).length;
const refusedReports = (scheduler: ServiceProcess) => scheduler.output().includes("a report was refused");

describe("two schedulers share the work", () => {
  it("and each occurrence is run by one of them, once, on time", async () => {
    const pair = [await launchScheduler("left"), await launchScheduler("right")];
    await sharedOut(pair);
    const { tasks, ended } = await flow();
    const runs = await ended(LIMIT_MS);
    expectEachOnce(tasks, runs);
    expect(runs.every(({ attempt }) => attempt === 1)).toBe(true);
    expect(ranBy(runs, "left")).toBeGreaterThan(0);
    expect(ranBy(runs, "right")).toBeGreaterThan(0);
    expect(await Promise.all(pair.map(runsOf))).toEqual([ranBy(runs, "left"), ranBy(runs, "right")]);
    expect(worstLatenessMs(runs)).toBeLessThan(HAND_OVER_LATENESS_MS);
  }, 90_000);

  it("and one takes over after the lease when the other is killed", async () => {
    const [survivor, victim] = [await launchScheduler("survivor"), await launchScheduler("victim")];
    await sharedOut([survivor, victim]);
    const { tasks, ran, ended } = await flow();
    await ran(20);
    await victim.kill();
    const runs = await ended(LIMIT_MS);
    expectEachOnce(tasks, runs);
    await expectCompleted(client, tasks);
    expect(ranBy(runs, "victim")).toBeGreaterThan(0);
    const takenOver = runs.filter(({ attempt }) => attempt > 1);
    expect(takenOver.length).toBeGreaterThan(0);
    expect(takenOver.every(({ attempt, schedulerId }) => attempt === 2 && schedulerId === "survivor")).toBe(true);
    expect(await runsOf(survivor)).toBe(ranBy(runs, "survivor"));
    expect(shardsOf(survivor)).toBe(SHARDS);
  }, 90_000);

  it("and one that is killed and started again under its name takes over what it held", async () => {
    const killed = await launchScheduler("same name");
    await sharedOut([killed]);
    const { tasks, ran, ended } = await flow();
    await ran(20);
    await killed.kill();
    const successor = await launchScheduler("same name");
    const runs = await ended(LIMIT_MS);
    expectEachOnce(tasks, runs);
    await expectCompleted(client, tasks);
    const takenOver = runs.filter(({ attempt }) => attempt > 1);
    expect(takenOver.length).toBeGreaterThan(0);
    expect(takenOver.every(({ attempt }) => attempt === 2)).toBe(true);
    expect(await runsOf(successor)).toBeGreaterThan(0);
  });

  it("and one that is stopped hands over without a late run, and nothing runs twice", async () => {
    const [staying, leaving] = [await launchScheduler("staying"), await launchScheduler("leaving")];
    await sharedOut([staying, leaving]);
    const { tasks, ran, ended } = await flow();
    await ran(20);
    expect(await leaving.stop()).toBe(0);
    const runs = await ended(LIMIT_MS);
    expectEachOnce(tasks, runs);
    await expectCompleted(client, tasks);
    expect(ranBy(runs, "leaving")).toBeGreaterThan(0);
    expect(runs.filter(({ attempt }) => attempt !== 1)).toEqual([]);
    expect(await runsOf(staying)).toBe(ranBy(runs, "staying"));
    expect(refusedReports(leaving)).toBe(false);
    process.stderr.write(`fleet: hand-over, at most ${worstLatenessMs(runs)} ms late\n`);
    expect(worstLatenessMs(runs)).toBeLessThan(HAND_OVER_LATENESS_MS);
  }, 90_000);

  it("and one that was suspended for longer than the lease starts nothing that another took over", async () => {
    const [awake, asleep] = [await launchScheduler("awake"), await launchScheduler("asleep")];
    await sharedOut([awake, asleep]);
    const { tasks, ran, ended } = await flow();
    await ran(20);
    asleep.signal("SIGSTOP");
    const stoppedMs = Date.now();
    await eventually("the other has taken over", () => shardsOf(awake) === SHARDS);
    asleep.signal("SIGCONT");
    const runs = await ended(LIMIT_MS);
    expectEachOnce(tasks, runs);
    await expectCompleted(client, tasks);
    await sharedOut([awake, asleep]);
    // Some may have run, and not been reported, at the moment of the suspension; none after it.
    const mayHaveRun = runs.filter(({ attempt, scheduledTimeMs }) => attempt === 2 && scheduledTimeMs <= stoppedMs);
    expect((await runsOf(asleep)) - ranBy(runs, "asleep")).toBeLessThanOrEqual(mayHaveRun.length);
    expect((await runsOf(awake)) - ranBy(runs, "awake")).toBe(0);
    expect(runs.some(({ attempt, schedulerId }) => attempt === 2 && schedulerId === "awake")).toBe(true);
  }, 90_000);

  it("and a third that comes takes its part, and nothing runs late or twice", async () => {
    const first = [await launchScheduler("one"), await launchScheduler("two")];
    await sharedOut(first);
    const flowing = await flow();
    await flowing.ran(20);
    const all = [...first, await launchScheduler("three")];
    await sharedOut(all);
    const { tasks, runs } = await withAnother(flowing);
    expectEachOnce(tasks, runs);
    expect(ranBy(runs, "three")).toBeGreaterThan(0);
    expect(await Promise.all(all.map(runsOf))).toEqual(["one", "two", "three"].map((name) => ranBy(runs, name)));
    process.stderr.write(`fleet: a third came, at most ${worstLatenessMs(runs)} ms late\n`);
    expect(worstLatenessMs(runs)).toBeLessThan(HAND_OVER_LATENESS_MS);
  }, 90_000);

  it("and two live processes of one name are told apart, while work goes on, and nothing runs twice", async () => {
    const first = await launchScheduler("twin");
    await sharedOut([first]);
    const flowing = await flow();
    await flowing.ran(20);
    const second = await launchScheduler("twin");
    await sharedOut([first, second]);
    const { tasks, runs } = await withAnother(flowing);
    expectEachOnce(tasks, runs);
    await expectCompleted(client, tasks);
    const counts = await Promise.all([first, second].map(runsOf));
    process.stderr.write(`fleet: twins ran ${counts.join(" and ")}, at most ${worstLatenessMs(runs)} ms late\n`);
    expect(counts.every((count) => count > 0)).toBe(true);
    expect(counts[0]! + counts[1]!).toBe(runs.length);
  }, 90_000);
});

describe("two APIs on one database", () => {
  it("serve their schedulers as one fleet; when one is killed, its scheduler goes on when it is back", async () => {
    const [steady, orphan] = [await launchScheduler("steady"), await launchScheduler("orphan", apis[1]!)];
    await sharedOut([steady, orphan]);
    const { tasks, ran, ended } = await flow();
    await ran(20);
    await apis[1]!.kill();
    await eventually("its scheduler notices", async () => !(await orphan.isReady()));
    await eventually("the other has taken over", () => shardsOf(steady) === SHARDS);
    const runs = await ended(LIMIT_MS);
    expectEachOnce(tasks, runs);
    await expectCompleted(client, tasks);

    apis[1] = await launchApi(ports);
    await Promise.all([apis[1].ready(), orphan.ready()]);
    await sharedOut([steady, orphan]);
    const again = await flow();
    const laterRuns = await again.ended(LIMIT_MS);
    expectEachOnce(again.tasks, laterRuns);
    expect(ranBy(laterRuns, "orphan")).toBeGreaterThan(0);
    expect(laterRuns.every(({ attempt }) => attempt === 1)).toBe(true);
  }, 120_000);

  it("withdraw what a scheduler of the other holds, when a task is changed more than 250 ms ahead", async () => {
    const holder = await launchScheduler("holder");
    await sharedOut([holder]);
    const startMs = Date.now() + 3_000;
    const drafts = Array.from({ length: 30 }, (_, index) => ({
      name: `held ${index}`,
      scheduledTimeMs: startMs + index * 40,
    }));
    const tasks = await client.createAll(drafts);
    const farMs = startMs + 86_400_000;
    const changes = tasks.map(async ({ id, scheduledTimeMs }, index) => {
      // From half a second ahead, which a busy machine may not keep, to nearly as far ahead as claims are had.
      const aheadMs = 500 + (index % 6) * 250;
      await eventually("its moment", () => Date.now() >= scheduledTimeMs - aheadMs, 30_000);
      if (index % 3 === 0) await clients[1]!.move(id, farMs);
      else if (index % 3 === 1) await clients[1]!.pause(id);
      else await clients[1]!.remove(id);
      return { id, aheadMs: scheduledTimeMs - Date.now() };
    });
    const changed = await Promise.all(changes);
    const last = await client.create({
      name: "after all",
      scheduledTimeMs: Math.max(Date.now(), startMs + 30 * 40) + 300,
    });
    await eventually("what comes after has run", async () => (await client.runs(last.id))[0]?.state === "SUCCEEDED");
    const inTime = changed.filter(({ aheadMs }) => aheadMs > 250);
    expect(inTime.length).toBeGreaterThan(0);
    for (const { id } of inTime) {
      expect((await client.runs(id)).filter(({ startTimeMs }) => startTimeMs !== undefined)).toEqual([]);
    }
  }, 60_000);

  it("judge one task that both are told to change at once: each change is whole", async () => {
    const steady = await launchScheduler("judged");
    await sharedOut([steady]);
    const { id } = await client.create({ name: "contested", scheduledTimeMs: Date.now() + 3_600_000 });
    const moves = Array.from({ length: 20 }, (_, index) => clients[index % 2]!.move(id, Date.now() + 1_500 + index));
    const etags = new Set((await Promise.all(moves)).map(({ etag }) => etag));
    expect(etags.size).toBe(20);
    const { scheduledTimeMs } = await client.get(id);
    const runs = await eventually("it has run", async () => {
      const found = await client.runs(id);
      return found.some(({ state }) => state === "SUCCEEDED") && found;
    });
    const ran = runs.filter(({ startTimeMs }) => startTimeMs !== undefined);
    expect(ran).toMatchObject([{ scheduledTimeMs, state: "SUCCEEDED" }]);
    expect(await runsOf(steady)).toBe(1);
  }, 60_000);
});

it("a scheduler is given the lease that it was promised, also by an API that is configured with a shorter one", async () => {
  const promisedMs = 3 * LEASE_MS;
  const patient = await startApi({ databaseUrl: database.url, env: { LEASE_MS: String(promisedMs) } });
  await patient.ready();
  const fleet = grpcClient(SchedulerService, patient.grpcAddress);
  const beat = (incarnation: number) => fleet.unary("heartbeat", { incarnation });
  const { incarnation, leaseMs } = await fleet.unary("register", {
    schedulerId: "quiet",
    processId: randomUUID(),
    processStarted: true,
  });
  expect(leaseMs).toBe(promisedMs);
  const beatMs = performance.now();
  await beat(incarnation);
  const connection = await createConnection(database.url);
  const isEnded = async () => {
    const rows: { state: string }[] = await connection.query("SELECT state FROM schedulers WHERE incarnation = ?", [
      incarnation,
    ]);
    return rows[0]?.state === "ENDED";
  };
  await eventually("its lease is over", isEnded);
  expect(performance.now() - beatMs).toBeGreaterThan(promisedMs);
  await connection.end();
  fleet.close();
  await patient.stop();
});
