import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Task,
  TaskSchema,
  TaskService,
  WatchTasksRequestSchema,
  type WatchTasksResponse,
  WatchTasksResponseSchema,
} from "@taskscheduler/proto";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, startApi } from "../setup/processes.js";
import { createRandom } from "../setup/random.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { connectTo, createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { heldWhile, watchApi } from "./api-watch.js";
import { startJudgedWatcher } from "./judged-watcher.js";
import { envelope } from "./raw-http.js";
import { revisionOf } from "./task-follower.js";
import { createToldLog, type ToldLog, upserted } from "./told-log.js";

/** Readers that read one event a second, while tasks of 10 KB change by the thousand. */

jest.setTimeout(240_000);

const TASKS = 100;
/** More than the API keeps of recent changes, by bytes. */
const USUAL_CHANGES = 2_000;
const CHANGES = 6_000;
const WRITERS = 16;
const SLOW_MS = 1_000;
/** Of slow readers that never read on. */
const STALLED = 10;
/** 6,000 changes hold 60 MB, and an API that kept what slow readers did not take would hold them. */
const MAX_GROWTH_BYTES = 30 * 1024 * 1024;
const TOLD_MS = 60_000;

let database: TestDatabase;
let api: ApiProcess;
let client: TaskClient;

async function start(env: Readonly<Record<string, string>> = {}): Promise<void> {
  database = await createTestDatabase();
  api = await startApi({ databaseUrl: database.url, env });
  await api.ready();
  client = createTaskClient(api.grpcAddress);
}

afterEach(async () => {
  client?.close();
  await killAll();
  await database?.drop();
});

/** About 10 KB. */
function largeTask(name: string): Task {
  return create(TaskSchema, {
    name,
    scheduledTime: timestampFromMs(Date.now() + 30 * 24 * 60 * 60 * 1000),
    description: "d".repeat(4_000),
    labels: Object.fromEntries(Array.from({ length: 25 }, (_, index) => [`key-${index}`, "x".repeat(240)])),
  });
}

async function createLarge(prefix: string, count: number): Promise<Task[]> {
  const tasks = Array.from({ length: count }, (_, index) => largeTask(`${prefix} ${index}`));
  const { results } = await client.tasks.unary("batchCreateTasks", { tasks });
  return results.map(({ result }) => {
    if (result.case !== "task") throw new Error(`a task was refused: ${result.value?.message}`);
    return result.value;
  });
}

/** Changes large tasks. @returns when each change was acknowledged, by how it is told */
async function change(tasks: readonly Task[], count: number): Promise<Map<string, number>> {
  const acknowledged = new Map<string, number>();
  let next = 0;
  const write = async () => {
    while (next < count) {
      const serial = next++;
      const { id } = tasks[serial % tasks.length]!;
      const description = `${serial} ${"d".repeat(4_000)}`;
      const { task } = await client.tasks.unary("updateTask", { task: { id, description } });
      acknowledged.set(upserted(task!), performance.now());
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
  return acknowledged;
}

type Stream = AsyncIterator<WatchTasksResponse>;

interface SlowReader {
  readonly name: string;
  /** What it has read so far. */
  readonly read: () => number;
  /** From now on as quickly as it can, to the revision. */
  catchUp(revision: number): Promise<void>;
  cancel(): void;
}

/** Reads an event a second until it is told to catch up; fails on anything but the next revision. */
function startSlowReader(name: string, stream: Stream, cancel: () => void, after: number, log: ToldLog): SlowReader {
  let last = after;
  let read = 0;
  let isSlow = true;
  let quicken = () => {};
  async function readOne(): Promise<void> {
    const { value, done } = await stream.next();
    if (done) throw new Error(`${name}: the stream ended`);
    const { event, revision } = value as WatchTasksResponse;
    if (event.case !== "upserted") return;
    if (Number(revision) !== last + 1) throw new Error(`${name} was told ${revision} after ${last}`);
    last = Number(revision);
    read += 1;
    log.note(last, upserted(event.value), name);
  }
  const slow = (async () => {
    while (isSlow) {
      await readOne();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, SLOW_MS);
        quicken = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  })();
  // Those that are cancelled in the end fail, and nobody asks.
  slow.catch(() => undefined);
  return {
    name,
    read: () => read,
    async catchUp(revision) {
      isSlow = false;
      quicken();
      await slow;
      while (last < revision) await readOne();
    },
    cancel() {
      isSlow = false;
      quicken();
      cancel();
    },
  };
}

function grpcStream(resumeToken: string): { stream: Stream; cancel: () => void } {
  const call = client.tasks.stream("watchTasks", { resumeToken });
  call.on("error", () => undefined);
  return { stream: (call as AsyncIterable<WatchTasksResponse>)[Symbol.asyncIterator](), cancel: () => call.cancel() };
}

/** By hand: nothing but the socket reads ahead. */
function connectStream(resumeToken: string): { stream: Stream; cancel: () => void } {
  const message = envelope(toBinary(WatchTasksRequestSchema, create(WatchTasksRequestSchema, { resumeToken })));
  const call = request(`${api.httpUrl}/${TaskService.typeName}/WatchTasks`, {
    ...{ method: "POST", agent: false },
    headers: { "content-type": "application/connect+proto", "content-length": message.length },
  });
  // Nobody asks after one that is cancelled.
  call.on("error", () => undefined);
  call.end(message);
  return { stream: connectEvents(call), cancel: () => call.destroy() };
}

async function* connectEvents(call: ClientRequest): AsyncGenerator<WatchTasksResponse> {
  const [response]: IncomingMessage[] = await once(call, "response");
  let rest = Buffer.alloc(0);
  for await (const chunk of response!) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const data = rest.subarray(5, 5 + rest.readUInt32BE(1));
      if ((rest[0]! & 2) !== 0) throw new Error(data.toString());
      rest = rest.subarray(5 + data.length);
      yield fromBinary(WatchTasksResponseSchema, data);
    }
  }
}

async function tokenOfNow(): Promise<string> {
  const { stream, cancel } = grpcStream("");
  for (;;) {
    const { value, done } = await stream.next();
    if (done) throw new Error("the stream ended");
    if (value.event.case !== "snapshotComplete") continue;
    cancel();
    return value.resumeToken;
  }
}

/** The worst and the usual time from the acknowledgement to a reader that keeps up. */
function lagOf(acknowledged: ReadonlyMap<string, number>, toldAt: ReadonlyMap<string, number>) {
  const lags = [...acknowledged].map(([change, at]) => (toldAt.get(change) ?? Number.POSITIVE_INFINITY) - at);
  lags.sort((a, b) => a - b);
  return { median: Math.round(lags[lags.length >> 1]!), worst: Math.round(lags.at(-1)!) };
}

/** Reads as fast as it can; when it was told what. */
function startFastReader(token: string, log: ToldLog) {
  const toldAt = new Map<string, number>();
  const noted: ToldLog = {
    ...log,
    note(revision, told, by) {
      log.note(revision, told, by);
      toldAt.set(told, performance.now());
    },
  };
  const random = createRandom("fast reader");
  return {
    toldAt,
    watcher: startJudgedWatcher({ name: "fast", clients: [client], resumeToken: token, log: noted, random }),
  };
}

describe("readers of one event a second", () => {
  it("hold up nobody, take no memory of the API's, and are told all in order when they read on", async () => {
    await start();
    const tasks = await createLarge("large", TASKS);
    const begin = await tokenOfNow();
    const log = createToldLog();
    const fast = startFastReader(begin, log);
    let usualWrites = new Map<string, number>();
    const usual = await heldWhile(api, async () => {
      usualWrites = await change(tasks, USUAL_CHANGES);
    });

    const token = await tokenOfNow();
    const slow = [grpcStream(token), grpcStream(token), connectStream(token)].map(({ stream, cancel }, index) =>
      startSlowReader(`slow ${index}`, stream, cancel, revisionOf(token), log),
    );
    const stalled = Array.from({ length: STALLED }, (_, index) => {
      const { stream, cancel } = (index % 2 === 0 ? grpcStream : connectStream)(token);
      return startSlowReader(`stalled ${index}`, stream, cancel, revisionOf(token), log);
    });
    const last = revisionOf(token) + CHANGES;
    let writes = new Map<string, number>();
    let readSlowly = 0;
    let held = 0;
    const seen = await watchApi(api, async () => {
      held = await heldWhile(api, async () => {
        writes = await change(tasks, CHANGES);
      });
      readSlowly = Math.max(...slow.map((reader) => reader.read()));
      await eventually("the fast reader is told all", () => fast.watcher.lastRevision() >= last, TOLD_MS);
      await Promise.all(slow.map((reader) => reader.catchUp(last)));
    });
    for (const reader of [...slow, ...stalled]) reader.cancel();
    await fast.watcher.stop();

    const lags = [lagOf(usualWrites, fast.toldAt), lagOf(writes, fast.toldAt)];
    const megabytes = [usual, held].map((bytes) => Math.round(bytes / 1024 / 1024));
    process.stderr.write(
      `slow readers: ${megabytes.join(" and then ")} MB held; the fast one's lag ${JSON.stringify(lags)} ms; ` +
        `${readSlowly} read by the slow\n`,
    );
    expect(fast.watcher.fault()).toBeUndefined();
    expect(readSlowly).toBeLessThan(CHANGES / 10);
    for (const reader of stalled) expect(reader.read()).toBeLessThan(CHANGES / 10);
    expect(seen.failures).toEqual([]);
    const [before, beside] = lags;
    expect(beside!.median).toBeLessThan(20 * (before!.median + 20));
    expect(held - usual).toBeLessThan(MAX_GROWTH_BYTES);
  });

  it("are told that the log does not reach back to them any more, and begin anew", async () => {
    await start({ CHANGE_RETENTION_MS: "1000" });
    const token = await tokenOfNow();
    const log = createToldLog();
    const slow = [grpcStream(token), connectStream(token)].map(({ stream, cancel }, index) =>
      startSlowReader(`slow ${index}`, stream, cancel, revisionOf(token), log),
    );
    // More than the sockets, and than the API keeps of recent changes, by bytes.
    for (let batch = 0; batch < 5; batch += 1) await createLarge(`batch ${batch}`, 1_000);
    const connection = await connectTo(database.url);
    await eventually("the log is purged", async () => {
      const rows: unknown[] = await connection.query("SELECT revision FROM changes LIMIT 1");
      return rows.length === 0;
    });
    await connection.end();
    for (const reader of slow) {
      expect(reader.read()).toBeLessThan(1_000);
      const failure = String(await reader.catchUp(5_000).catch((error: unknown) => error));
      expect(`${reader.name}: ${failure}`).toMatch(/OUT_OF_RANGE|out_of_range/);
      expect(reader.read()).toBeGreaterThan(0);
      reader.cancel();
    }
    const watcher = startJudgedWatcher({
      ...{ name: "anew", clients: [client], resumeToken: "", log, random: createRandom("anew") },
    });
    await eventually("the snapshot is complete", () => watcher.fault() ?? watcher.snapshot());
    expect(watcher.known.size).toBe(5_000);
    const [created] = await createLarge("after", 1);
    await eventually("the next change is told", () => watcher.fault() ?? watcher.known.has(created!.id));
    await watcher.stop();
    expect(watcher.fault()).toBeUndefined();
  });
});
