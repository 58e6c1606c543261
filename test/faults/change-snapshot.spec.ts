import type { WatchTasksResponse } from "@taskscheduler/proto";
import type { Connection } from "mariadb";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, startApi } from "../setup/processes.js";
import { createRandom, type Random } from "../setup/random.js";
import { soakOr } from "../setup/soak.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { connectTo, createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { heldWhile, watchApi } from "./api-watch.js";

/** A snapshot of very many tasks, while others change them. `TEST_SNAPSHOT_TASKS=1000000` takes some minutes. */

const TASKS = Number(process.env["TEST_SNAPSHOT_TASKS"] ?? soakOr(150_000, 50_000));
const WRITERS = 4;
const FAR_MS = Date.now() + 30 * 24 * 60 * 60 * 1000;
/** Room for a busy machine; a transaction for all of it would last for as long as the snapshot. */
const LONGEST_TRANSACTION_MS = 3_000;
const LOOK_MS = 150;
/** 150,000 tasks would be some 200 MB. */
const MAX_GROWTH_BYTES = 60 * 1024 * 1024;

jest.setTimeout(60_000 + TASKS);

/** Of its own: what it tells of its transactions is renewed only when nobody has looked for 100 ms. */
let server: PrivateServer;
let database: TestDatabase;
let apis: ApiProcess[];
let clients: TaskClient[];
let connection: Connection;

beforeAll(async () => {
  server = await startPrivateServer();
  database = await createTestDatabase(server.url);
  apis = [await startApi({ databaseUrl: database.url }), await startApi({ databaseUrl: database.url })];
  await Promise.all(apis.map((api) => api.ready()));
  clients = apis.map((api) => createTaskClient(api.grpcAddress));
  connection = await connectTo(database.url, { bigIntAsNumber: true });
  // Otherwise the times of transactions are the server's own, and NOW is the session's.
  await connection.query("SET time_zone = 'SYSTEM'");
  await connection.query(
    `INSERT INTO tasks (name, scheduled_time, recurrence, next_run_time, labels)
       SELECT CONCAT('task ', seq), at, 'DAILY', at, '{"of":"many"}'
       FROM (SELECT seq, UTC_TIMESTAMP(3) + INTERVAL 30 DAY + INTERVAL seq SECOND AS at FROM seq_1_to_${TASKS}) AS far`,
  );
}, 120_000);

afterAll(async () => {
  for (const client of clients ?? []) client.close();
  await connection?.end();
  await killAll();
  await server?.stop();
});

/** By id, the description, which each change makes another. */
type Picture = Map<number, string>;

function apply(picture: Picture, { event }: WatchTasksResponse): void {
  if (event.case === "snapshot" || event.case === "upserted") picture.set(event.value.id, event.value.description);
  if (event.case === "deleted") picture.delete(event.value.id);
}

/** Changes, creates and deletes tasks all over the table until it is stopped. */
function startWriters(ids: number[], random: Random) {
  let writes = 0;
  let stopped = false;
  const write = async (index: number) => {
    const client = clients[index % clients.length]!;
    while (!stopped) {
      const kind = random.below(10);
      const at = random.below(ids.length);
      if (kind === 0) await client.create({ name: `new ${index} ${writes}`, scheduledTimeMs: FAR_MS });
      else if (kind === 1) await client.remove(ids.splice(at, 1)[0]!);
      else {
        const task = { id: ids[at]!, description: `change ${index} ${writes}` };
        await client.tasks.unary("updateTask", { task }, { deadline: Date.now() + 10_000 }).catch((error: unknown) => {
          if (!/NOT_FOUND/.test(String(error))) throw error;
        });
      }
      writes += 1;
    }
  };
  const writing = Promise.all(Array.from({ length: WRITERS }, (_, index) => write(index)));
  // Judged by stop; until then it is nobody's unhandled rejection.
  writing.catch(() => undefined);
  return {
    count: () => writes,
    async stop() {
      stopped = true;
      await writing;
    },
  };
}

/** Every change after the beginning, in order. */
function startLog() {
  const events: WatchTasksResponse[] = [];
  const stream = clients[1]!.tasks.stream("watchTasks", { labelFilter: { none: "such" } });
  stream.on("error", () => undefined);
  let token = "";
  const tokenKnown = new Promise<void>((resolve) => {
    stream.on("data", (event: WatchTasksResponse) => {
      token = event.resumeToken;
      if (event.event.case === "snapshotComplete") resolve();
    });
  });
  return {
    events,
    async begin() {
      await tokenKnown;
      stream.cancel();
      const all = clients[1]!.tasks.stream("watchTasks", { resumeToken: token });
      all.on("error", () => undefined);
      all.on("data", (event: WatchTasksResponse) => events.push(event));
      return () => all.cancel();
    },
  };
}

/** The age of the oldest transaction at the database, as often as it answers; its clock counts whole seconds. */
function startTransactionWatch() {
  let longestMs = 0;
  let looks = 0;
  let stopped = false;
  const watching = (async () => {
    while (!stopped) {
      const rows: { ms: number | null }[] = await connection.query(
        "SELECT MAX(TIMESTAMPDIFF(MICROSECOND, trx_started, NOW(6))) / 1000 AS ms FROM information_schema.innodb_trx",
      );
      longestMs = Math.max(longestMs, Number(rows[0]?.ms ?? 0));
      looks += 1;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  })();
  return {
    async stop() {
      stopped = true;
      await watching;
      expect(looks).toBeGreaterThan(5);
      return longestMs;
    },
  };
}

async function readSnapshot(picture: Picture): Promise<bigint> {
  const stream = clients[0]!.tasks.stream("watchTasks", {});
  stream.on("error", () => undefined);
  let last = 0n;
  for await (const event of stream as AsyncIterable<WatchTasksResponse>) {
    if (event.revision < last) throw new Error(`revision ${event.revision} after ${last}`);
    last = event.revision;
    if (event.event.case === "snapshotComplete") break;
    apply(picture, event);
  }
  stream.cancel();
  return last;
}

it(`a snapshot of ${TASKS} tasks is whole, without a long transaction, within bounded memory`, async () => {
  const random = createRandom("snapshot");
  const log = startLog();
  const endLog = await log.begin();
  const ids = Array.from({ length: TASKS }, (_, index) => index + 1);
  const writers = startWriters(ids, random);
  const usual = await heldWhile(apis[0]!, () =>
    eventually("the writers are at work", () => writers.count() > 500, 60_000),
  );
  const transactions = startTransactionWatch();
  const picture: Picture = new Map();
  const startMs = performance.now();
  const before = writers.count();
  let revision = 0n;
  let held = 0;
  const seen = await watchApi(apis[0]!, async () => {
    held = await heldWhile(apis[0]!, async () => {
      revision = await readSnapshot(picture);
    });
  });
  const tookMs = performance.now() - startMs;
  const writes = writers.count() - before;
  const longestMs = await transactions.stop();
  await writers.stop();
  await eventually("the log is told", () => (log.events.at(-1)?.revision ?? 0n) >= revision);
  endLog();

  process.stderr.write(
    `snapshot: ${TASKS} tasks in ${Math.round(tookMs)} ms, ${writes} writes meanwhile, the longest transaction ` +
      `${Math.round(longestMs)} ms, ${[usual, held].map((bytes) => Math.round(bytes / 1024 / 1024)).join(" and then ")} MB held, ` +
      `${seen.calls} calls of others, the slowest ${Math.round(seen.slowestMs)} ms\n`,
  );
  const expected: Picture = new Map(Array.from({ length: TASKS }, (_, index) => [index + 1, ""]));
  for (const event of log.events) if (event.revision <= revision) apply(expected, event);
  expect(picture.size).toBe(expected.size);
  expect([...expected].filter(([id, description]) => picture.get(id) !== description)).toEqual([]);
  expect(writes).toBeGreaterThan(100);
  expect(seen.failures).toEqual([]);
  expect(longestMs).toBeLessThan(LONGEST_TRANSACTION_MS);
  expect(held - usual).toBeLessThan(MAX_GROWTH_BYTES);
});
