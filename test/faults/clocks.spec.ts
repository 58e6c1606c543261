import { timestampMs } from "@bufbuild/protobuf/wkt";
import { eventually } from "../setup/eventually.js";
import { createFakedClock, describeWithFakedClock, type FakedClock } from "../setup/faked-clock.js";
import { metricOf, runsOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { type ExecutionWatcher, type ToldExecution, watchExecutions } from "./execution-watcher.js";
import { expectCompleted, expectEachOnce, type Flow, startFlow } from "./flow.js";

/** Room for a busy machine. */
jest.setTimeout(90_000);

const LEASE_MS = 1_500;
const HOUR_S = 3_600;
const FLOW = { count: 100, intervalMs: 40, afterMs: 1_200 };
const LIMIT_MS = 60_000;
/** A step is noticed within a second; then nothing starts until a call is answered that was sent after it. */
const STEP_LATENESS_MS = 20_000;
/** What was claimed when the process was suspended waits for the suspension, the lease and the sweep. */
const SUSPENSION_LATENESS_MS = 30_000;
/** An offset that is known costs nothing but the way of the news. */
const OFFSET_LATENESS_MS = 4_500;

let database: TestDatabase;
let apiClock: FakedClock;
let schedulerClock: FakedClock;
let api: ApiProcess;
let scheduler: ServiceProcess | undefined;
let client: TaskClient;
let watcher: ExecutionWatcher;
let flows = 0;

const launchScheduler = async (env: Readonly<Record<string, string>> = {}) => {
  scheduler = await startScheduler({ apiAddress: api.grpcAddress, env });
  await scheduler.ready();
  return scheduler;
};

async function launchApi(env: Readonly<Record<string, string>> = {}): Promise<void> {
  database = await createTestDatabase();
  api = await startApi({ databaseUrl: database.url, env: { LEASE_MS: String(LEASE_MS), ...env } });
  await api.ready();
  client = createTaskClient(api.grpcAddress);
  watcher = watchExecutions({ clients: [client] });
  await eventually("the watcher has its first token", () => watcher.resumeToken() !== "");
}

afterEach(async () => {
  await scheduler?.stop();
  scheduler = undefined;
});

/** Writes without a pause until it is told to stop; what is not answered is forgotten. */
function startWriters(at: TaskClient, name: string) {
  let acknowledged = 0;
  let stopped = false;
  const write = async (writer: number) => {
    for (let count = 0; !stopped; count++) {
      const task = { name: `${name} ${writer}.${count}`, scheduledTimeMs: Date.now() + 24 * HOUR_S * 1_000 };
      const isAcknowledged = await at.create(task).then(
        () => true,
        () => false,
      );
      if (isAcknowledged) acknowledged++;
    }
  };
  const writers = Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)));
  return {
    acknowledged: () => acknowledged,
    async stop() {
      stopped = true;
      await writers;
    },
  };
}

async function cleanUp(): Promise<void> {
  await watcher?.stop();
  client?.close();
  await killAll();
  await database?.drop();
}

const flow = () => startFlow(client, { prefix: `flow ${++flows}:`, ...FLOW });

/**
 * Each of the flow has one row and ran, and by the clock of this process, which nobody turns and which is the database's,
 * the news of it came neither before its time nor much after it.
 */
async function expectOnTime({ tasks, ended }: Flow, latenessMs: number): Promise<void> {
  expectEachOnce(tasks, await ended(LIMIT_MS));
  await expectCompleted(client, tasks);
  const ids = new Set(tasks.map(({ id }) => id));
  const isRun = ({ taskId, state }: ToldExecution) => ids.has(taskId) && state === "SUCCEEDED";
  await eventually("all is told", () => watcher.told.filter(isRun).length >= tasks.length);
  expect(watcher.fault()).toBeUndefined();
  const runs = watcher.told.filter(isRun);
  expect(runs).toHaveLength(tasks.length);
  const lateMs = runs.map(({ arrivalMs, scheduledTimeMs }) => arrivalMs - scheduledTimeMs);
  process.stderr.write(
    `clocks: ${expect.getState().currentTestName}: told ${Math.min(...lateMs)} to ${Math.max(...lateMs)} ms after the time\n`,
  );
  expect(Math.min(...lateMs)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...lateMs)).toBeLessThan(latenessMs);
}

/** Steps the clocks an hour forward, two back, and one forward, each while tasks fall due. */
async function stepAround(
  clocks: readonly FakedClock[],
  { ran }: Flow,
  afterStep: (steps: number) => Promise<void>,
): Promise<void> {
  let steps = 0;
  for (const [count, offsetSeconds] of [
    [20, HOUR_S],
    [40, -HOUR_S],
    [60, 0],
  ] as const) {
    await ran(count);
    for (const clock of clocks) clock.set(offsetSeconds);
    await afterStep(steps++);
  }
}

/** In minutes. What a busy machine takes for a step of milliseconds is none of ours. */
const stepsSeen = (process: ServiceProcess) =>
  [...process.output().matchAll(/"stepMs":(-?\d+)/g)]
    .map(([, stepMs]) => Math.round(Number(stepMs) / 60_000))
    .filter((minutes) => minutes !== 0);

/** Steps that follow each other unnoticed would be one. */
async function noticesAnotherStep(process: ServiceProcess, before: number): Promise<void> {
  await eventually("the scheduler notices the step", () => stepsSeen(process).length > before, 30_000);
}

/** What the API tells of now is now, whatever its own clock shows. */
async function expectApiTellsTheTime(): Promise<void> {
  const scheduledTimeMs = Date.now() + 24 * HOUR_S * 1_000;
  const { task } = await client.tasks.unary("createTask", {
    task: { name: `made ${++flows}`, scheduledTime: { seconds: BigInt(Math.floor(scheduledTimeMs / 1_000)) } },
  });
  expect(Math.abs(timestampMs(task!.createTime!) - Date.now())).toBeLessThan(STEP_LATENESS_MS);
  const post = (timeMs: number) =>
    fetch(`${api.httpUrl}/api/tasks/`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name: `at ${timeMs}`, scheduled_time: new Date(timeMs).toISOString() }),
    });
  expect((await post(Date.now() - 60_000)).status).toBe(422);
  expect((await post(Date.now() + 24 * HOUR_S * 1_000)).status).toBe(200);
}

describeWithFakedClock("wall clocks that are wrong, or are set", () => {
  beforeAll(async () => {
    apiClock = createFakedClock();
    schedulerClock = createFakedClock();
    await launchApi(apiClock.env);
  }, 60_000);

  beforeEach(() => {
    apiClock.set(0);
    schedulerClock.set(0);
  });

  afterAll(async () => {
    await cleanUp();
    apiClock?.remove();
    schedulerClock?.remove();
  });

  it.each([
    ["fast", 5],
    ["slow", -5],
  ])("a scheduler five seconds %s fires by the database's clock, and says so", async (_, offsetSeconds) => {
    schedulerClock.set(offsetSeconds);
    const off = await launchScheduler(schedulerClock.env);
    await expectOnTime(await flow(), OFFSET_LATENESS_MS);
    expect(await metricOf(off, "taskscheduler_scheduler_clock_offset_seconds")).toBeCloseTo(-offsetSeconds, 0);
    const warned = /"offsetMs":(-?\d+).*this machine's clock differs from the database's; corrected/.exec(off.output());
    expect(Number(warned?.[1]) / 1_000).toBeCloseTo(-offsetSeconds, 0);
  });

  it("the scheduler's clock is set an hour forward and back: nothing fires early, nothing is lost", async () => {
    const stepped = await launchScheduler(schedulerClock.env);
    const falling = await flow();
    await stepAround([schedulerClock], falling, (steps) => noticesAnotherStep(stepped, steps));
    await expectOnTime(falling, STEP_LATENESS_MS);
    expect(stepsSeen(stepped)).toEqual([60, -120, 60]);
  });

  it("the API's clock is set an hour forward and back: it goes on by the database's", async () => {
    await launchScheduler();
    const falling = await flow();
    await stepAround([apiClock], falling, expectApiTellsTheTime);
    await expectOnTime(falling, OFFSET_LATENESS_MS);
    expect(await metricOf(api, "taskscheduler_api_clock_offset_seconds")).toBeCloseTo(0, 0);
    apiClock.set(HOUR_S);
    expect(await metricOf(api, "taskscheduler_api_clock_offset_seconds")).toBeCloseTo(-HOUR_S, 0);
  });

  it("both are set at once, as on one machine, while the database's stays", async () => {
    const stepped = await launchScheduler(schedulerClock.env);
    const falling = await flow();
    await stepAround([apiClock, schedulerClock], falling, async (steps) => {
      await expectApiTellsTheTime();
      await noticesAnotherStep(stepped, steps);
    });
    await expectOnTime(falling, STEP_LATENESS_MS);
    expect(stepsSeen(stepped)).toEqual([60, -120, 60]);
  });
});

describe("a process that is suspended for longer than the lease", () => {
  beforeAll(() => launchApi(), 60_000);
  afterAll(cleanUp);

  it("the only scheduler: it starts nothing of before, registers anew, and runs all, each once", async () => {
    const sleeper = await launchScheduler();
    const falling = await flow();
    await falling.ran(20);
    sleeper.signal("SIGSTOP");
    await eventually("it is held dead", async () => (await metricOf(api, "taskscheduler_api_schedulers")) === 0);
    sleeper.signal("SIGCONT");
    await expectOnTime(falling, SUSPENSION_LATENESS_MS);
    expect(await runsOf(sleeper)).toBe(FLOW.count);
    await sleeper.ready();
  });

  it("the only API: its scheduler starts nothing without a lease, and is not held dead for the API's sleep", async () => {
    const waiting = await launchScheduler();
    const silences = () => api.output().split("fell silent").length;
    const silencesBefore = silences();
    const falling = await flow();
    await falling.ran(20);
    api.signal("SIGSTOP");
    const lease = () => metricOf(waiting, "taskscheduler_scheduler_lease_remaining_seconds");
    await eventually("the scheduler's lease is over", async () => (await lease()) === 0);
    const runs = await runsOf(waiting);
    await eventually(
      "more fall due",
      () => Date.now() > falling.tasks[Math.min(runs + 5, FLOW.count - 1)]!.scheduledTimeMs,
    );
    expect(await runsOf(waiting)).toBe(runs);
    api.signal("SIGCONT");
    await expectOnTime(falling, SUSPENSION_LATENESS_MS);
    expect(await runsOf(waiting)).toBe(FLOW.count);
    expect(silences()).toBe(silencesBefore);
  });

  it("the only API, again and again for more than half the lease: what a dead scheduler held is taken over", async () => {
    const dying = await startScheduler({ apiAddress: api.grpcAddress });
    await dying.ready();
    await launchScheduler();
    const falling = await flow();
    await falling.ran(20);
    await dying.kill();
    let isStarved = true;
    const starving = (async () => {
      while (isStarved) {
        api.signal("SIGSTOP");
        await new Promise((resolve) => setTimeout(resolve, LEASE_MS * 0.6));
        api.signal("SIGCONT");
        await new Promise((resolve) => setTimeout(resolve, LEASE_MS * 0.3));
      }
    })();
    try {
      expectEachOnce(falling.tasks, await falling.ended(LIMIT_MS / 2));
    } finally {
      isStarved = false;
      await starving;
    }
    await expectOnTime(falling, SUSPENSION_LATENESS_MS);
  });

  it("one of two APIs, in the middle of its writes: the other goes on, with its scheduler", async () => {
    await launchScheduler();
    const other = await startApi({ databaseUrl: database.url, env: { LEASE_MS: String(LEASE_MS) } });
    await other.ready();
    const otherClient = createTaskClient(other.grpcAddress);
    const writers = [startWriters(client, "here"), startWriters(otherClient, "there")] as const;
    try {
      for (let freeze = 0; freeze < 5; freeze++) {
        const before = writers.map(({ acknowledged }) => acknowledged());
        const more = (index: 0 | 1) => writers[index].acknowledged() > before[index]! + 20;
        await eventually("both write", () => more(0) && more(1), 30_000);
        other.signal("SIGSTOP");
        before[0] = writers[0].acknowledged();
        await eventually("the one that is awake writes", () => more(0), 30_000);
        other.signal("SIGCONT");
      }
      const falling = await flow();
      other.signal("SIGSTOP");
      await falling.ended(LIMIT_MS);
      other.signal("SIGCONT");
      await expectOnTime(falling, SUSPENSION_LATENESS_MS);
    } finally {
      other.signal("SIGCONT");
      await Promise.all(writers.map((writer) => writer.stop()));
      otherClient.close();
      await other.stop();
    }
  });
});
