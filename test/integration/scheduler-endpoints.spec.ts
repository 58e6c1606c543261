import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { createLogger, createMetrics } from "@taskscheduler/runtime";
import { createScheduler, type Scheduler } from "@taskscheduler/scheduler";
import { Endpoints, type EndpointsOptions } from "../../packages/scheduler/src/api-client/endpoints.js";
import { NameRecords } from "../../packages/scheduler/src/api-client/name-records.js";
import { freePort } from "../../scripts/ports.mjs";
import { eventually } from "../setup/eventually.js";
import { grantAll, lost, ScriptedApi } from "./scheduler-peer.js";

const WAIT = { deadlineMs: 10_000, signals: [] };
const logger = createLogger({ name: "scheduler", level: process.env["LOG_LEVEL"] ?? "silent" });
const loopback = (port: number) => ({ host: "127.0.0.1", port });

let apis: ScriptedApi[] = [];
let closers: (() => unknown)[] = [];

beforeEach(async () => {
  apis = [new ScriptedApi(), new ScriptedApi()];
  await Promise.all(apis.map((api) => api.start()));
});

afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
  for (const api of apis) api.stop();
});

function createEndpoints(addresses: EndpointsOptions["addresses"], options: Partial<EndpointsOptions> = {}): Endpoints {
  const endpoints = new Endpoints({ addresses, logger, random: () => 0, ...options });
  closers.push(() => endpoints.close());
  return endpoints;
}

/** A server that is no API. @returns its port */
async function listen(server: Server): Promise<number> {
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => open.add(socket.on("error", () => undefined)));
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  closers.push(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return port;
}

describe("the connection to one of the APIs", () => {
  it("passes over addresses at which nobody listens, nobody answers, or something else does", async () => {
    const silent = await listen(createServer(() => undefined));
    const other = await listen(createHttpServer((_, response) => response.end("no API")));
    const ports = [await freePort(), silent, other, apis[0]!.port];
    const endpoints = createEndpoints(ports.map(loopback));
    const connections = await Promise.all([endpoints.connection(WAIT), endpoints.connection(WAIT)]);
    expect(connections.map(({ address }) => address)).toEqual([apis[0]!.address, apis[0]!.address]);
    expect(connections[0]).toBe(connections[1]);
  });

  it("goes over every address in turn, and pauses for longer and longer once all were tried in vain", async () => {
    const ports = [await freePort(), await freePort()];
    const endpoints = createEndpoints(ports.map(loopback), { random: () => 0.5 });
    const beganMs = performance.now();
    for (let round = 1; round <= 4; round += 1) {
      const failed = endpoints.connection(WAIT);
      for (const port of ports) await expect(failed).rejects.toThrow(`127.0.0.1:${port}: no connection can be made`);
    }
    // Half of 100, 200 and 400 ms.
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(350);
  });

  it("goes to any address that a name has, as the name is resolved at that moment", async () => {
    let records = ["127.0.0.2", "127.0.0.1"];
    const endpoints = createEndpoints([{ host: "api.example", port: apis[0]!.port }], {
      records: new NameRecords(async () => records),
    });
    const connection = await endpoints.connection(WAIT);
    expect(connection.address).toBe(apis[0]!.address);
    records = ["127.0.0.3"];
    endpoints.leave(connection, "aged");
    await expect(endpoints.connection(WAIT)).rejects.toThrow("no API can be reached (127.0.0.3:");
    records = ["127.0.0.1"];
    expect((await endpoints.connection(WAIT)).address).toBe(apis[0]!.address);
  });

  it("goes to a name of this machine", async () => {
    const endpoints = createEndpoints([{ host: "localhost", port: apis[0]!.port }]);
    expect((await endpoints.connection(WAIT)).address).toBe(apis[0]!.address);
  });

  it("is another after one was left for its fault, and any after one was left for its age", async () => {
    const endpoints = createEndpoints(apis.map(({ port }) => loopback(port)));
    const first = await endpoints.connection(WAIT);
    endpoints.served(first);
    endpoints.leave(first, "unfit");
    const second = await endpoints.connection(WAIT);
    expect(second.address).not.toBe(first.address);
    endpoints.served(second);
    endpoints.leave(second, "aged");
    endpoints.leave(first, "unfit");
    const third = await endpoints.connection(WAIT);
    expect(third.address).toBe(first.address);
    expect([first.isClosed, second.isClosed, third.isClosed]).toEqual([true, true, false]);
  });

  it("is waited for no longer than the caller likes, and not at all once it is closed", async () => {
    const endpoints = createEndpoints([loopback(await listen(createServer(() => undefined)))]);
    const gone = new AbortController();
    const waiting = endpoints.connection({ deadlineMs: 10_000, signals: [gone.signal] });
    await expect(endpoints.connection({ deadlineMs: 20, signals: [] })).rejects.toThrow("no API was reached in time");
    gone.abort();
    await expect(waiting).rejects.toThrow("no API was reached in time");
    endpoints.close();
    await expect(endpoints.connection(WAIT)).rejects.toThrow("the client is closed");
  });
});

describe("a scheduler with two APIs", () => {
  let scheduler: Scheduler;

  /** Resolves when it is at one of them. @returns that one, and the other */
  async function start(leaseMs: number): Promise<[ScriptedApi, ScriptedApi]> {
    for (const api of apis) api.leaseMs = leaseMs;
    scheduler = createScheduler({
      apiAddresses: apis.map(({ port }) => loopback(port)),
      schedulerId: "s",
      limits: { maxConcurrency: 256, maxConcurrencyPerHost: 64, maxConcurrencyPerTask: 16, maxRatePerHost: 0 },
      shutdownGraceMs: 10_000,
      targetAllowCidrs: [],
      webhookSecrets: { isEmpty: true, keysOf: () => undefined },
      logger,
      registry: createMetrics().registry,
    });
    closers.push(() => scheduler.stop(AbortSignal.timeout(500)));
    await scheduler.start(new AbortController().signal);
    await eventually("it is ready", () => scheduler.readiness().length === 0);
    const [here, there] = apis[0]!.registers.length > 0 ? apis : apis.toReversed();
    there!.incarnation = here!.incarnation;
    return [here!, there!];
  }

  /** It works at the other, under the incarnation that it had, and lets the first alone. */
  async function expectMoved([here, there]: readonly [ScriptedApi, ScriptedApi]): Promise<void> {
    await eventually("it is served by the other", () => there.streams.length > 0 && scheduler.readiness().length === 0);
    there.due({ taskId: 1, scheduledTimeMs: Date.now() });
    await eventually("it works for the other", () => there.reports.some(({ report }) => report.taskId === 1));
    expect(there.reports.every(({ incarnation }) => incarnation === here.incarnation)).toBe(true);
    expect(here.registers.length + there.registers.length).toBe(1);
    const beats = here.beats.length;
    await eventually("it beats on", () => there.beats.length > 5);
    expect(here.beats).toHaveLength(beats);
  }

  it("leaves the one that answers a heartbeat with UNAVAILABLE", async () => {
    const pair = await start(1_000);
    pair[0].isDown = true;
    await expectMoved(pair);
  });

  it("leaves the one that does not answer a heartbeat, and asks the other for what hangs there", async () => {
    const pair = await start(1_500);
    const [here, there] = pair;
    here.isMute = true;
    here.due({ taskId: 7, scheduledTimeMs: Date.now() });
    await eventually("the other is asked for it", () => there.claims.length === 1);
    await expectMoved(pair);
    expect(there.reports.map(({ report }) => report.taskId)).toEqual([7, 1]);
  });

  it.each(["DATABASE_UNAVAILABLE", "SHUTTING_DOWN"])("leaves the one that ends its feed with %s", async (reason) => {
    const pair = await start(1_500);
    pair[0].end(reason);
    await expectMoved(pair);
  });

  it("leaves the one that is gone", async () => {
    const pair = await start(1_500);
    pair[0].stop();
    await expectMoved(pair);
  });

  it("stays with the one that fails a few claims, and with the one that shares its work out anew", async () => {
    const [here, there] = await start(1_000);
    let failures = 0;
    here.onClaim = (request) => {
      failures += 1;
      return failures <= 3 ? lost : grantAll(request);
    };
    here.due({ taskId: 7, scheduledTimeMs: Date.now() });
    await eventually("it has run", () => here.reports.length === 1);
    here.stream.end();
    await eventually("it has subscribed again", () => here.streams.length === 2 && scheduler.readiness().length === 0);
    expect(there.beats).toEqual([]);
  });

  it("says that it leaves to the other, where the one that it is at is gone", async () => {
    const [here, there] = await start(1_500);
    here.isDown = true;
    await scheduler.stop(AbortSignal.timeout(5_000));
    expect(there.beats.at(-1)).toMatchObject({ leaving: true, incarnation: here.incarnation });
  });

  it("finishes the calls under way on a connection that has aged", async () => {
    const [here, there] = await start(1_500);
    let release: () => void = () => undefined;
    here.onClaim = async (request) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return grantAll(request);
    };
    here.due({ taskId: 7, scheduledTimeMs: Date.now() });
    await eventually("the claim is under way", () => here.claims.length === 1);
    here.end("CONNECTION_AGED");
    await eventually("it has subscribed again", () => here.streams.length + there.streams.length === 2);
    release();
    const reports = () => [...here.reports, ...there.reports];
    await eventually("it has run", () => reports().length === 1);
    expect(reports()[0]!.report.taskId).toBe(7);
    expect(here.claims.length + there.claims.length).toBe(1);
  });
});
