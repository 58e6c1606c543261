import { execFile } from "node:child_process";
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { ExecutionService, TaskService, type WatchExecutionsResponse } from "@taskscheduler/proto";
import { grpcClient } from "../setup/clients.js";
import { eventually } from "../setup/eventually.js";
import { metricOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, startApi } from "../setup/processes.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { type ApiWatch, residentBytes, watchApi } from "./api-watch.js";
import { envelope, requestHead } from "./raw-http.js";

/** What few may not do to many: all the while others are served, and the API's memory stays within bounds. */

jest.setTimeout(90_000);

/** Room for a busy machine: a call takes milliseconds. */
const SERVED_MS = 9_000;
/** Garbage that nobody has had a need to collect included. */
const MAX_GROWTH_BYTES = 300 * 1024 * 1024;
const FLOOD_MS = 2_000;
const MAX_STREAMS = 4_096;
const MAX_WATCHES = 2_000;
const RESOURCE_EXHAUSTED = 8;
/** Of the HTTP port's times for headers and for a whole request, with the interval at which they are looked at. */
const HEADERS_MS = 20_000;
const REQUEST_MS = 65_000;

let database: TestDatabase;
let api: ApiProcess;
let ports: { http: number; grpc: number };
const opened = new Set<Socket>();
/** Begun first and looked at last: they take their time. */
let unfinished: { readonly headers: Promise<number>; readonly bodies: Promise<number[]> };

beforeAll(async () => {
  database = await createTestDatabase();
  api = await startApi({ databaseUrl: database.url });
  await api.ready();
  ports = { http: Number(new URL(api.httpUrl).port), grpc: Number(api.grpcAddress.split(":")[1]) };
  // The first calls of a process are its slowest, and its memory grows to its usual size.
  await watchApi(api, () => pause(500));
  const bodies = ["/api/tasks/", `/${TaskService.typeName}/CreateTask`].map((path) =>
    cutAfter(
      `${requestHead("POST", path, { "Content-Type": "application/json", "Content-Length": "100" })}{"na`,
      REQUEST_MS,
    ),
  );
  unfinished = { headers: cutAfter("GET / HTTP/1.1\r\nHost: localhost\r\n", HEADERS_MS), bodies: Promise.all(bodies) };
});

afterEach(() => {
  for (const socket of opened) socket.destroy();
  opened.clear();
});

afterAll(async () => {
  await killAll();
  await database?.drop();
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** @returns how long a connection lasts that says this and no more; Infinity when nobody cuts it */
function cutAfter(text: string, withinMs: number): Promise<number> {
  const socket = connect(ports.http, "127.0.0.1");
  const startMs = performance.now();
  socket.on("error", () => undefined).resume();
  socket.write(text);
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => {
        resolve(Number.POSITIVE_INFINITY);
        socket.destroy();
      },
      withinMs + 2 * SERVED_MS,
    );
    socket.once("close", () => {
      clearTimeout(timer);
      resolve(performance.now() - startMs);
    });
  });
}

async function watchesUnderWay(): Promise<number> {
  const of = (service: string, method: string) =>
    metricOf(api, `taskscheduler_api_calls_under_way{service="taskscheduler.v1.${service}",method="${method}"}`);
  return (await of("TaskService", "WatchTasks")) + (await of("ExecutionService", "WatchExecutions"));
}

function open(port: number): Socket {
  const socket = connect(port, "127.0.0.1");
  opened.add(socket);
  // Being cut is what these connections are for.
  socket.on("error", () => undefined);
  socket.once("close", () => opened.delete(socket));
  socket.resume();
  return socket;
}

function expectServed(what: string, { calls, failures, slowestMs, growthBytes }: ApiWatch): void {
  const growth = Math.round(growthBytes / 1024 / 1024);
  process.stderr.write(`${what}: ${calls} calls, the slowest ${Math.round(slowestMs)} ms, ${growth} MB\n`);
  expect(failures).toEqual([]);
  expect(slowestMs).toBeLessThan(SERVED_MS);
  expect(growthBytes).toBeLessThan(MAX_GROWTH_BYTES);
}

describe.each(["http", "grpc"] as const)("the %s port", (port) => {
  const beginning = {
    http: requestHead("POST", "/api/tasks/", { "Content-Length": "100" }).slice(0, -2),
    grpc: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  };

  it("serves others beside 300 clients that send a byte a second", async () => {
    const sockets = Array.from({ length: 300 }, () => open(ports[port]));
    const seen = await watchApi(api, async () => {
      for (const character of beginning[port].slice(0, 4)) {
        for (const socket of sockets) socket.write(character);
        await pause(1_000);
      }
    });
    expectServed(`slow clients of ${port}`, seen);
  });

  it("serves others beside 1,000 connections that say nothing", async () => {
    const seen = await watchApi(api, async () => {
      const sockets = Array.from({ length: 1_000 }, () => open(ports[port]));
      await Promise.all(sockets.map((socket) => once(socket, "connect")));
      await pause(1_000);
      expect(sockets.filter((socket) => socket.destroyed).length).toBe(0);
    });
    expectServed(`idle connections of ${port}`, seen);
  });
});

describe("HTTP/2", () => {
  it.each([
    "calls that are reset",
    "calls that are reset before their message",
    "pings",
    "settings",
    "empty frames of data",
    "resets of unknown streams",
    "headers without an end",
  ])("a flood of %s leaves others served", async (kind) => {
    const seen = await watchApi(api, () => flood(kind));
    expectServed(`a flood of ${kind}`, seen);
  });

  async function flood(kind: string): Promise<void> {
    const script = join(__dirname, "h2-flood.mjs");
    await promisify(execFile)(process.execPath, [script, String(ports.grpc), kind, String(FLOOD_MS)]);
  }

  it("refuses streams beyond the limit of a connection, and serves others", async () => {
    const session = connectHttp2(`http://${api.grpcAddress}`);
    session.on("error", () => undefined);
    const seen = await watchApi(api, async () => {
      const limit = await concurrentStreamsOf(session);
      expect(limit).toBe(MAX_STREAMS);
      let answered = 0;
      let ended = 0;
      let mostOpen = 0;
      for (let index = 0; index < limit + 500; index += 1) {
        const stream = session.request({
          ...{ ":method": "POST", ":path": `/${TaskService.typeName}/WatchTasks` },
          ...{ "content-type": "application/grpc", te: "trailers" },
        });
        stream.on("error", () => undefined);
        stream.on("response", () => {
          answered += 1;
          mostOpen = Math.max(mostOpen, answered - ended);
        });
        // One that the database has no time for ends, and lets another begin.
        stream.on("close", () => {
          ended += 1;
        });
        stream.resume();
        stream.end(envelope(""));
      }
      await eventually("streams are answered", () => answered >= limit, 30_000);
      await pause(500);
      expect(mostOpen).toBeLessThanOrEqual(limit);
    }).finally(() => session.destroy());
    expectServed("streams beyond the limit", seen);
  });

  async function concurrentStreamsOf(session: ClientHttp2Session): Promise<number> {
    if (session.remoteSettings.maxConcurrentStreams === undefined) await once(session, "remoteSettings");
    return session.remoteSettings.maxConcurrentStreams ?? 0;
  }
});

it("watchers that do not read hold no more than they were sent", async () => {
  const labels = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`key-${index}`, "x".repeat(250)]));
  // 20 MB for each watcher: a gigabyte, if the API held what they do not read.
  for (let batch = 0; batch < 6; batch += 1) {
    const tasks = Array.from({ length: 200 }, (_, index) => ({
      name: `large ${batch}.${index}`,
      labels,
      scheduledTime: "2100-01-01T00:00:00Z",
    }));
    const created = await fetch(`${api.httpUrl}/${TaskService.typeName}/BatchCreateTasks`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ tasks }),
    });
    expect(created.status).toBe(200);
    await created.arrayBuffer();
  }
  const message = envelope("{}");
  const head = requestHead("POST", `/${TaskService.typeName}/WatchTasks`, {
    "Content-Type": "application/connect+json",
    "Content-Length": String(message.length),
  });
  const seen = await watchApi(api, async () => {
    for (let index = 0; index < 50; index += 1) {
      const socket = open(ports.http);
      socket.pause();
      socket.write(Buffer.concat([Buffer.from(head), message]));
    }
    await pause(3_000);
  });
  expectServed("50 watchers that do not read", seen);
});

it("watches beyond the limit are refused, and those that are open, and all calls, are served", async () => {
  const clients = [0, 1].map(() => grpcClient(ExecutionService, api.grpcAddress));
  const token = await new Promise<string>((resolve, reject) => {
    const stream = clients[0]!.stream("watchExecutions", {});
    stream.on("error", reject);
    stream.on("data", ({ resumeToken }: WatchExecutionsResponse) => {
      if (resumeToken === "") return;
      stream.on("error", () => undefined).removeListener("error", reject);
      stream.cancel();
      resolve(resumeToken);
    });
  });
  await eventually("earlier watches are gone", async () => (await watchesUnderWay()) === 0);
  const refused: number[] = [];
  const streams = Array.from({ length: MAX_WATCHES + 100 }, (_, index) => {
    const stream = clients[index % 2]!.stream("watchExecutions", { resumeToken: token });
    stream.on("error", ({ code }: { code: number }) => code === RESOURCE_EXHAUSTED && refused.push(code));
    stream.on("data", () => undefined);
    return stream;
  });
  const seen = await watchApi(api, async () => {
    await eventually("those beyond are refused", () => refused.length >= 100);
    expect(await watchesUnderWay()).toBe(MAX_WATCHES);
    await pause(1_000);
  });
  expect(refused.length).toBe(100);
  for (const stream of streams) stream.cancel();
  await eventually("they are gone", async () => (await watchesUnderWay()) === 0);
  for (const client of clients) client.close();
  expectServed("watches up to the limit", seen);
});

it("a client that does not finish its headers is cut, and one that does not finish its body has longer", async () => {
  expect(await unfinished.headers).toBeLessThan(HEADERS_MS + SERVED_MS);
  for (const cutAfterMs of await unfinished.bodies) {
    expect(cutAfterMs).toBeGreaterThan(HEADERS_MS);
    expect(cutAfterMs).toBeLessThan(REQUEST_MS + SERVED_MS);
  }
});

it("gives back what it took, and none of all this was a defect", async () => {
  const bytes = await residentBytes(api);
  process.stderr.write(`in the end: ${Math.round(bytes / 1024 / 1024)} MB\n`);
  expect(bytes).toBeLessThan(600 * 1024 * 1024);
  expect(api.output()).not.toMatch(/internal error|"level":"(error|fatal)"/);
  expect(await api.stop()).toBe(0);
});
