import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Task, TaskChangeKind, TaskChangesSchema, TaskSchema } from "@taskscheduler/proto";
import type { Connection } from "mariadb";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, startApi } from "../setup/processes.js";
import { createRandom, type Random } from "../setup/random.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { connectTo, createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { type JudgedWatcher, startJudgedWatcher } from "./judged-watcher.js";
import { createToldLog, pictureOf, readLogTable, type ToldLog, upserted, wrongPictures } from "./told-log.js";

/** Transactions of somebody else at the same database, held open while later ones commit. */

jest.setTimeout(120_000);

const TOLD_MS = 30_000;
const ROUNDS = 12;
const FAR_MS = Date.now() + 30 * 24 * 60 * 60 * 1000;

let database: TestDatabase;
let apis: ApiProcess[];
let clients: TaskClient[];
let connections: Connection[] = [];
let log: ToldLog;
let watchers: JudgedWatcher[];
let random: Random;

beforeEach(async () => {
  random = createRandom("held transactions");
  database = await createTestDatabase();
  apis = await Promise.all([1, 2].map(() => startApi({ databaseUrl: database.url })));
  await Promise.all(apis.map((api) => api.ready()));
  clients = apis.map((api) => createTaskClient(api.grpcAddress));
  log = createToldLog();
  watchers = [
    ...clients.map((client, index) => watch(`steady ${index}`, [client])),
    ...[2, 5, 20].map((dropAfter) => watch(`dropping within ${dropAfter}`, clients, dropAfter)),
  ];
  await eventually("the watchers stand at the beginning", () => watchers.every((each) => each.snapshot()));
}, 60_000);

afterEach(async () => {
  await Promise.all(watchers.map((watcher) => watcher.stop()));
  for (const connection of connections) connection.destroy();
  connections = [];
  for (const client of clients) client.close();
  await killAll();
  await database.drop();
});

function watch(name: string, where: readonly TaskClient[], dropAfter?: number): JudgedWatcher {
  return startJudgedWatcher({ name, clients: where, resumeToken: "", dropAfter, log, random });
}

async function connect(): Promise<Connection> {
  const connection = await connectTo(database.url, { bigIntAsNumber: true, insertIdAsNumber: true });
  connections.push(connection);
  return connection;
}

let serial = 0;
/** At either API; acknowledged when it resolves. */
const createOne = () => clients[serial % clients.length]!.create({ name: `task ${++serial}`, scheduledTimeMs: FAR_MS });

/** As the API inserts a task, in a transaction that goes on. */
async function insertTask(connection: Connection): Promise<Task> {
  const name = `foreign ${++serial}`;
  const { insertId } = await connection.query(
    "INSERT INTO tasks (name, scheduled_time, next_run_time) VALUES (?, UTC_TIMESTAMP() + INTERVAL 30 DAY, NULL)",
    [name],
  );
  // As the API makes it, of the id and the version.
  const etag = `${insertId}-1`;
  return create(TaskSchema, { id: insertId, name, etag, scheduledTime: timestampFromMs(FAR_MS) });
}

/** As the API gives out a revision and logs the change; the counter is held from here to the end of the transaction. */
async function appendChange(connection: Connection, task: Task): Promise<void> {
  const { insertId: revision } = await connection.query(
    "UPDATE change_counter SET revision = LAST_INSERT_ID(revision + 1) WHERE id = 1",
  );
  const payload = toBinary(
    TaskChangesSchema,
    create(TaskChangesSchema, { changes: [{ kind: TaskChangeKind.CREATED, task }] }),
  );
  await connection.query(
    `INSERT INTO changes (revision, first_revision, kind, commit_time, payload)
       VALUES (?, ?, 'TASK', UTC_TIMESTAMP(3), ?)`,
    [revision, revision, Buffer.from(payload)],
  );
}

/**
 * Resolves when so many sessions are at a statement, which the holder lets nobody end. (What InnoDB itself tells of its
 * transactions is renewed only when nobody has looked for 100 ms.)
 */
function waitingAt(observer: Connection, statement: string, count: number): Promise<unknown> {
  return eventually(`${count} wait at ${statement}`, async () => {
    const rows: { n: number }[] = await observer.query(
      "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE ?",
      [statement],
    );
    return rows[0]!.n >= count;
  });
}

/** All were told all that is in the database's log, from the first revision on; snapshots were what it says. */
async function judge(snapshots: readonly JudgedWatcher[]): Promise<void> {
  const written = await readLogTable(database.url);
  const last = written.length - 1;
  const isTold = (watcher: JudgedWatcher) => watcher.fault() ?? watcher.lastRevision() >= last;
  await eventually("all are told", () => [...watchers, ...snapshots].every(isTold), TOLD_MS);
  for (const { name, fault } of [...watchers, ...snapshots]) expect({ name, fault: fault() }).toEqual({ name });
  expect(log.changes().slice(1)).toEqual(written.slice(1));
  const begins = snapshots.map((watcher) => watcher.snapshot()!);
  const ends = [...watchers, ...snapshots].map(({ name, known }) => ({
    by: name,
    revision: last,
    group: undefined,
    known,
  }));
  expect(wrongPictures(written, [...begins, ...ends])).toEqual([]);
  const listed = (await clients[1]!.list()).map(({ id }) => id).sort((a, b) => a - b);
  expect([...pictureOf(written).keys()].sort((a, b) => a - b)).toEqual(listed);
}

async function snapshotTaken(name: string, client: TaskClient): Promise<JudgedWatcher> {
  const watcher = watch(name, [client]);
  await eventually(`${name} is complete`, () => watcher.fault() ?? watcher.snapshot(), TOLD_MS);
  return watcher;
}

it("that began first and commit last, or never, cost no watcher a change, and none is told twice", async () => {
  const observer = await connect();
  const snapshots: JudgedWatcher[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const holder = await connect();
    await holder.query("BEGIN");
    const foreign = await insertTask(holder);
    const later = await Promise.all(Array.from({ length: 6 }, createOne));
    // Later ones have committed, with higher ids: a reader by id would have passed the one that is held.
    expect(later.filter(({ id }) => id < foreign.id)).toEqual([]);
    await eventually("they are told", () =>
      watchers.every((watcher) => watcher.fault() ?? later.every(({ id }) => watcher.known.has(id))),
    );
    if (round % 4 === 0) snapshots.push(await snapshotTaken(`snapshot ${round}`, clients[round % 8 === 0 ? 0 : 1]!));
    await appendChange(holder, foreign);
    // From here on nobody gets a revision, nor a page of a snapshot, before the holder's end.
    const held = Array.from({ length: 4 }, createOne);
    const fresh = round % 4 === 1 ? watch(`snapshot ${round}`, [clients[0]!]) : undefined;
    await waitingAt(observer, "UPDATE change_counter %", 2);
    if (round % 3 === 2) await holder.rollback();
    else await holder.commit();
    await Promise.all(held);
    if (fresh !== undefined) snapshots.push(fresh);
    if (round % 3 !== 2) expect(await isLogged(foreign)).toBe(true);
  }
  await createOne();
  await judge(snapshots);
  await Promise.all(snapshots.map((watcher) => watcher.stop()));
});

async function isLogged(task: Task): Promise<boolean> {
  return (await readLogTable(database.url)).includes(upserted(task));
}

it("that lock a task hold up its changes alone, and those are told in their order when they are made", async () => {
  const observer = await connect();
  const tasks = await Promise.all(Array.from({ length: 20 }, createOne));
  for (let round = 0; round < 3; round += 1) {
    const locked = tasks[round]!;
    const holder = await connect();
    await holder.query("BEGIN");
    await holder.query("SELECT id FROM tasks WHERE id = ? FOR UPDATE", [locked.id]);
    let isAnswered = false;
    const change = { task: { id: locked.id, description: `held ${round}` } };
    const waiting = clients[round % 2]!.tasks.unary("updateTask", change).then(({ task }) => {
      isAnswered = true;
      return task!;
    });
    await waitingAt(observer, "SELECT % FROM tasks WHERE id IN (%FOR UPDATE", 1);
    const others = await Promise.all(Array.from({ length: 40 }, createOne));
    await eventually("others are told", () =>
      watchers.every((watcher) => watcher.fault() ?? others.every(({ id }) => watcher.known.has(id))),
    );
    expect(isAnswered).toBe(false);
    await holder.commit();
    const changed = await waiting;
    expect((await readLogTable(database.url)).at(-1)).toBe(upserted(changed));
  }
  await judge([]);
});
