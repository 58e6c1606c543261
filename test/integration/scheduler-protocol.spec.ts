import { createServer } from "node:net";
import { createLogger, createMetrics, type Registry, sleep } from "@taskscheduler/runtime";
import { createScheduler, type Scheduler } from "@taskscheduler/scheduler";
import { grantAll, lost, ScriptedApi } from "./scheduler-peer.js";

const limitMs = 5_000;

let api: ScriptedApi;
let scheduler: Scheduler;
let registry: Registry;

async function until(isTrue: () => boolean): Promise<void> {
  const endMs = Date.now() + limitMs;
  while (!isTrue()) {
    if (Date.now() > endMs) throw new Error(`not within ${limitMs} ms: ${isTrue}`);
    await sleep(2);
  }
}

async function untilMetric(line: string): Promise<void> {
  const endMs = Date.now() + limitMs;
  while (!(await registry.metrics()).includes(line)) {
    if (Date.now() > endMs) throw new Error(`not within ${limitMs} ms: ${line}`);
    await sleep(2);
  }
}

async function startScheduler(): Promise<void> {
  registry = createMetrics().registry;
  const logger = createLogger({ name: "scheduler", level: process.env["LOG_LEVEL"] ?? "silent" });
  const limits = { maxConcurrency: 256, maxConcurrencyPerHost: 64, maxConcurrencyPerTask: 16, maxRatePerHost: 0 };
  const targets = {
    shutdownGraceMs: 10_000,
    targetAllowCidrs: [],
    webhookSecrets: { isEmpty: true, keysOf: () => undefined },
  };
  const apiAddresses = [{ host: "127.0.0.1", port: api.port }];
  scheduler = createScheduler({ apiAddresses, schedulerId: "s", limits, ...targets, logger, registry });
  await scheduler.start(new AbortController().signal);
}

const isReady = (): boolean => scheduler.readiness().length === 0;

async function ready(): Promise<void> {
  await until(isReady);
}

const reportsOf = (taskId: number) => api.reports.filter(({ report }) => report.taskId === taskId);

beforeEach(async () => {
  api = new ScriptedApi();
  await api.start();
});

afterEach(async () => {
  await scheduler.stop(AbortSignal.timeout(500));
  api.stop();
});

describe("scheduler against a scripted API", () => {
  it("registers, subscribes, claims ahead, runs on time and reports", async () => {
    await startScheduler();
    await ready();
    expect(api.registers[0]).toMatchObject({ schedulerId: "s", processStarted: true });
    const dueMs = Date.now() + 300;
    api.due({ taskId: 7, scheduledTimeMs: dueMs });
    await until(() => api.claims.length === 1);
    expect(Date.now()).toBeLessThan(dueMs);
    await until(() => api.reports.length === 1);
    const { report, receivedMs } = api.reports[0]!;
    expect(report).toMatchObject({ taskId: 7, scheduledTimeMs: BigInt(dueMs), fence: 1, state: 5 });
    expect(report.startTimeMs).toBeGreaterThanOrEqual(dueMs);
    expect(receivedMs).toBeGreaterThanOrEqual(dueMs);
    expect(await registry.metrics()).toContain('taskscheduler_scheduler_runs_total{state="succeeded"} 1');
  });

  it("waits for an API that is not there yet", async () => {
    api.stop();
    let refused = 0;
    const nobody = createServer((socket) => {
      refused += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => nobody.listen(Number(api.address.split(":")[1]), "127.0.0.1", resolve));
    await startScheduler();
    await until(() => refused >= 2);
    const reason = /^not registered with the API: check API_ADDRESS, and that the API is ready \(.+\)$/;
    expect(scheduler.readiness()).toEqual([expect.stringMatching(reason)]);
    await new Promise((resolve) => nobody.close(resolve));
    await api.start();
    await ready();
  });

  it("runs by the database's clock, not by its own", async () => {
    api.clockOffsetMs = 3_600_000;
    await startScheduler();
    await ready();
    const dueMs = Date.now() + api.clockOffsetMs + 300;
    api.due({ taskId: 1, scheduledTimeMs: dueMs });
    await until(() => api.reports.length === 1);
    const { report, receivedMs } = api.reports[0]!;
    expect(receivedMs + api.clockOffsetMs).toBeGreaterThanOrEqual(dueMs - 5);
    expect(Number(report.startTimeMs) - dueMs).toBeLessThan(200);
  });

  it("arms the next occurrence that an answer names, and runs what was missed at once", async () => {
    const missedMs = Date.now() - 60_000;
    const nextMs = Date.now() + 250;
    api.onClaim = ({ occurrences }) => ({
      results: occurrences.map(({ taskId, scheduledTimeMs }) =>
        Number(scheduledTimeMs) === missedMs
          ? {
              grant: { taskId, scheduledTimeMs: BigInt(missedMs - 1), fence: 3, attempt: 1 },
              nextScheduledTimeMs: BigInt(nextMs),
            }
          : { grant: { taskId, scheduledTimeMs, fence: 1, attempt: 1 } },
      ),
    });
    await startScheduler();
    await ready();
    api.due({ taskId: 1, scheduledTimeMs: missedMs });
    await until(() => api.reports.length === 2);
    expect(api.reports.map(({ report }) => Number(report.scheduledTimeMs))).toEqual([missedMs - 1, nextMs]);
  });

  it("adopts a claim whose answer was lost, and runs it once", async () => {
    const dueMs = Date.now() + 400;
    let isGranted = false;
    api.onClaim = () => {
      isGranted = true;
      return lost;
    };
    api.onBeat = ({ heldClaims }) => {
      if (!isGranted || heldClaims.length > 0 || api.reports.length > 0) return {};
      return { adopt: [{ taskId: 1, scheduledTimeMs: BigInt(dueMs), fence: 1, attempt: 1 }] };
    };
    await startScheduler();
    await ready();
    api.due({ taskId: 1, scheduledTimeMs: dueMs });
    await until(() => api.reports.length > 0);
    expect(api.reports[0]!.receivedMs).toBeGreaterThanOrEqual(dueMs);
    api.onClaim = ({ occurrences }) => ({ results: occurrences.map(() => ({})) });
    await until(() => api.beats.at(-1)?.heldClaims.length === 0);
    expect(api.reports).toHaveLength(1);
  });

  it("drops a claim that the API says it does not hold", async () => {
    api.leaseMs = 1_000;
    await startScheduler();
    await ready();
    const dueMs = Date.now() + 600;
    api.onBeat = ({ heldClaims }) => ({ drop: heldClaims.filter(({ taskId }) => taskId === 1) });
    api.due({ taskId: 1, scheduledTimeMs: dueMs }, { taskId: 2, scheduledTimeMs: dueMs });
    await until(() => reportsOf(2).length === 1);
    expect(reportsOf(1)).toHaveLength(0);
  });

  it("does not run a claim that was withdrawn before its time", async () => {
    await startScheduler();
    await ready();
    const dueMs = Date.now() + 400;
    api.due({ taskId: 1, scheduledTimeMs: dueMs }, { taskId: 2, scheduledTimeMs: dueMs });
    await until(() => api.claims.length === 1);
    const claims = [{ taskId: 1, scheduledTimeMs: BigInt(dueMs), fence: 2 }];
    api.send({ case: "withdrawn", value: { claims } });
    await until(() => reportsOf(2).length === 1);
    expect(reportsOf(1)).toHaveLength(0);
  });

  it("runs nothing that is disarmed before it is claimed", async () => {
    await startScheduler();
    await ready();
    const dueMs = Date.now() + 2_300;
    api.due({ taskId: 1, scheduledTimeMs: dueMs }, { taskId: 2, scheduledTimeMs: dueMs });
    api.send({ case: "disarmed", value: { taskIds: [1] } });
    await until(() => reportsOf(2).length === 1);
    expect(api.claims.flatMap(({ occurrences }) => occurrences.map(({ taskId }) => taskId))).toEqual([2]);
  });

  it("registers anew when its incarnation ended, and starts nothing that was held under it", async () => {
    api.leaseMs = 2_000;
    await startScheduler();
    await ready();
    const dueMs = Date.now() + 900;
    api.due({ taskId: 1, scheduledTimeMs: dueMs });
    await until(() => api.beats.at(-1)!.heldClaims.length === 1);
    api.endIncarnation();
    api.cut();
    await until(() => api.registers.length === 2 && isReady());
    expect(api.registers[1]!.processStarted).toBe(false);
    api.due({ taskId: 2, scheduledTimeMs: dueMs + 20 });
    await until(() => reportsOf(2).length === 1);
    expect(reportsOf(1)).toHaveLength(0);
    expect(reportsOf(2)[0]!.incarnation).toBe(api.incarnation);
  });

  it("delivers under its new incarnation what ran under the old one", async () => {
    api.onReport = () => lost;
    await startScheduler();
    await ready();
    api.due({ taskId: 1, scheduledTimeMs: Date.now() + 50 });
    await until(() => api.reports.length > 0);
    api.endIncarnation();
    api.onReport = ({ reports }) => reports.map(() => false);
    await until(() => api.registers.length === 2 && api.reports.at(-1)!.incarnation === api.incarnation);
  });

  it("subscribes again when the stream is cut, and forgets what the new one does not name", async () => {
    await startScheduler();
    await ready();
    const dueMs = Date.now() + 2_500;
    api.due({ taskId: 1, scheduledTimeMs: dueMs }, { taskId: 2, scheduledTimeMs: dueMs });
    api.onSubscribe = () => {
      api.due({ taskId: 2, scheduledTimeMs: dueMs });
      api.window();
    };
    await untilMetric('taskscheduler_scheduler_alarms{kind="claim"} 2');
    api.cut();
    await until(() => api.streams.length === 2 && isReady());
    await until(() => reportsOf(2).length === 1);
    expect(api.claims.flatMap(({ occurrences }) => occurrences.map(({ taskId }) => taskId))).toEqual([2]);
    expect(reportsOf(2)).toHaveLength(1);
  });

  it("goes on after the API restarted", async () => {
    await startScheduler();
    await ready();
    api.stop();
    await until(() => !isReady());
    expect(scheduler.readiness()[0]).toMatch(/^the API does not tell what falls due( \(|$)/);
    await api.start();
    await ready();
    api.due({ taskId: 1, scheduledTimeMs: Date.now() + 50 });
    await until(() => reportsOf(1).length === 1);
    expect(api.registers).toHaveLength(1);
  });

  it("sends a report again until it is acknowledged", async () => {
    await startScheduler();
    await ready();
    let losses = 2;
    api.onReport = ({ reports }) => (losses-- > 0 ? lost : reports.map(() => true));
    api.due({ taskId: 1, scheduledTimeMs: Date.now() + 50 });
    await until(() => api.reports.length === 3);
    await until(() => api.beats.at(-1)!.heldClaims.length === 0);
    expect(new Set(api.reports.map(({ report }) => Number(report.startTimeMs))).size).toBe(1);
  });

  it("starts nothing while its lease is over, and what it holds when the API still says so", async () => {
    api.leaseMs = 1_200;
    await startScheduler();
    await ready();
    const dueMs = Date.now() + 950;
    api.due({ taskId: 1, scheduledTimeMs: dueMs }, { taskId: 2, scheduledTimeMs: dueMs });
    await until(() => api.claims.length === 1);
    api.isDown = true;
    await until(() => !isReady() && Date.now() > dueMs + 200);
    expect(scheduler.readiness()).toContainEqual(expect.stringMatching(/^the lease is over, .*\(down\)$/));
    expect(api.reports).toHaveLength(0);
    api.onBeat = ({ heldClaims }) => ({ drop: heldClaims.filter(({ taskId }) => taskId === 1) });
    api.isDown = false;
    await until(() => reportsOf(2).length === 1);
    expect(Number(reportsOf(2)[0]!.report.startTimeMs)).toBeGreaterThan(dueMs + 200);
    expect(reportsOf(1)).toHaveLength(0);
  });

  it("stops: runs what is about to fall due, leaves the rest, and says that it holds nothing", async () => {
    await startScheduler();
    await ready();
    const dueMs = Date.now() + 500;
    api.onClaim = ({ occurrences }) => ({
      results: occurrences.map(({ taskId, scheduledTimeMs }) => ({
        grant: { taskId, scheduledTimeMs: scheduledTimeMs + (taskId === 2 ? 60_000n : 0n), fence: 1, attempt: 1 },
      })),
    });
    api.due({ taskId: 1, scheduledTimeMs: dueMs }, { taskId: 2, scheduledTimeMs: dueMs });
    await untilMetric("taskscheduler_scheduler_claims_held 2");
    const stopping = scheduler.stop(AbortSignal.timeout(8_000));
    expect(scheduler.readiness()).toEqual(["the process is stopping"]);
    await until(() => api.beats.at(-1)!.draining);
    await stopping;
    expect(reportsOf(1)).toHaveLength(1);
    expect(reportsOf(2)).toHaveLength(0);
    expect(api.beats.at(-1)).toMatchObject({ draining: true, heldClaims: [] });
  });

  it("claims in batches and runs thousands that fall due at one instant", async () => {
    await startScheduler();
    await ready();
    const count = 5_000;
    const dueMs = Date.now() + 2_500;
    api.due(...Array.from({ length: count }, (_, index) => ({ taskId: index + 1, scheduledTimeMs: dueMs })));
    await until(() => api.reports.length === count);
    expect(Math.max(...api.claims.map(({ occurrences }) => occurrences.length))).toBeLessThanOrEqual(500);
    expect(new Set(api.reports.map(({ report }) => report.taskId)).size).toBe(count);
    const lateness = api.reports.map(({ report }) => Number(report.startTimeMs) - dueMs);
    expect(Math.min(...lateness)).toBeGreaterThanOrEqual(0);
  });

  it("bears being started and stopped twice", async () => {
    await startScheduler();
    await scheduler.start(new AbortController().signal);
    await ready();
    expect(api.registers).toHaveLength(1);
    expect(grantAll({ occurrences: [] } as never).results).toEqual([]);
    await Promise.all([scheduler.stop(AbortSignal.timeout(500)), scheduler.stop(AbortSignal.timeout(500))]);
  });
});
