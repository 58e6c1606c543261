import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, startApi } from "../setup/processes.js";
import { createRandom, type Random } from "../setup/random.js";
import { soakOr } from "../setup/soak.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { type ChangeWriters, GROUPS, startWriters, WRITERS } from "./change-writers.js";
import { type JudgedWatcher, startJudgedWatcher } from "./judged-watcher.js";
import {
  changesOf,
  createToldLog,
  type Picture,
  type PictureAt,
  pictureOf,
  readLogTable,
  type ToldLog,
  wrongPictures,
} from "./told-log.js";

const CHANGES = soakOr(50_000, 12_000);
/** In a run that is not disturbed, a snapshot is begun at each of these many changes. */
const SNAPSHOT_EVERY = soakOr(1_000, 300);
const TOLD_MS = 120_000;

let server: PrivateServer;
let database: TestDatabase;
let apis: ApiProcess[] = [];
let clients: TaskClient[] = [];

beforeAll(async () => {
  server = await startPrivateServer();
}, 60_000);

beforeEach(async () => {
  database = await createTestDatabase(server.url);
  apis = await Promise.all([1, 2].map(() => startApi({ databaseUrl: database.url })));
  await Promise.all(apis.map((api) => api.ready()));
  clients = apis.map((api) => createTaskClient(api.grpcAddress));
}, 60_000);

afterEach(async () => {
  for (const client of clients) client.close();
  await killAll();
});

afterAll(() => server?.stop());

/** Of a log without a change. */
async function firstToken(): Promise<string> {
  const stream = clients[0]!.tasks.stream("watchTasks", {});
  stream.on("error", () => undefined);
  for await (const event of stream) {
    stream.cancel();
    expect(event).toMatchObject({ event: { case: "snapshotComplete" }, revision: 0n });
    return event.resumeToken;
  }
  throw new Error("the stream ended");
}

/** Watchers from the first change on; 2 that stay, and others that drop and resume at random. */
function startWatchers(token: string, log: ToldLog, random: Random, dropAfter: readonly number[]): JudgedWatcher[] {
  const [first, second] = [[clients[0]!], [clients[1]!]];
  const watch = (name: string, where: readonly TaskClient[], drop?: number, group?: string) =>
    startJudgedWatcher({ name, clients: where, resumeToken: token, random, log, group, dropAfter: drop });
  return [
    watch("steady at the first", first),
    watch("steady at the second", second),
    ...dropAfter.map((drop, index) =>
      watch(`dropping within ${drop}`, [first, second, clients][index % 3] ?? clients, drop),
    ),
    ...GROUPS.flatMap((group) =>
      dropAfter.slice(0, 2).map((drop) => watch(`of ${group}, dropping within ${drop}`, clients, drop, group)),
    ),
  ];
}

/** They begin with a snapshot. */
const startLatecomers = (log: ToldLog, random: Random) =>
  clients.map((client, index) =>
    startJudgedWatcher({ name: `late ${index}`, clients: [client], resumeToken: "", random, log, dropAfter: 500 }),
  );

/** Opens snapshots one after the other while the writers are at work, of all tasks and of a group, at either API. */
function startSnapshots(writers: ChangeWriters, log: ToldLog, random: Random) {
  const pictures: PictureAt[] = [];
  let stopped = false;
  let running = Promise.resolve();
  async function takeOne(serial: number): Promise<void> {
    const group = serial % 4 === 3 ? random.pick(GROUPS) : undefined;
    const name = `snapshot ${serial}`;
    const options = { name, clients: [clients[serial % 2]!], resumeToken: "", group, random, log };
    const watcher = startJudgedWatcher(options);
    const taken = await eventually(`${name} is complete`, () => watcher.fault() ?? watcher.snapshot(), TOLD_MS);
    await watcher.stop();
    if (watcher.fault() !== undefined) throw watcher.fault();
    pictures.push(taken as PictureAt);
  }
  const taking = (async () => {
    for (let serial = 1; !stopped; serial += 1) {
      const isTime = () => stopped || writers.acknowledged.length >= serial * SNAPSHOT_EVERY;
      await eventually("it is time for a snapshot", isTime, TOLD_MS);
      if (!stopped) running = takeOne(serial);
      await running;
    }
  })();
  // It is looked at when it is stopped.
  taking.catch(() => undefined);
  return {
    async stop() {
      stopped = true;
      await taking;
      return pictures;
    },
  };
}

async function listed(): Promise<Picture> {
  return new Map((await clients[1]!.list()).map(({ id, etag }) => [id, etag]));
}

const etagsOf = (picture: Picture) => new Map([...picture].map(([id, standing]) => [id, standing.split(" ")[0]!]));
const sorted = (picture: Picture) => [...picture].sort(([a], [b]) => a - b);

/** Waits until all have been told the last change, and judges what they were told. */
async function judge(log: ToldLog, watchers: JudgedWatcher[], latecomers: JudgedWatcher[], writers: ChangeWriters) {
  // Each group's watchers are told of one more change, and so stand behind the last of all others.
  const scheduledTimeMs = Date.now() + 30 * 24 * 60 * 60 * 1000;
  for (const group of GROUPS) {
    const { id } = await clients[0]!.create({ name: `the last of ${group}`, scheduledTimeMs });
    await clients[0]!.tasks.unary("updateTask", { task: { id, labels: { group } } });
  }
  const written = await readLogTable(database.url);
  const last = written.length - 1;
  const all = [...watchers, ...latecomers];
  const isTold = (watcher: JudgedWatcher) =>
    watcher.fault() ?? watcher.lastRevision() >= last - (watcher.group === undefined ? 0 : 2 * GROUPS.length);
  await eventually("all are told", () => all.every(isTold), TOLD_MS);
  const groupsTold = () =>
    all.every(
      ({ group, fault, known }) =>
        fault() !== undefined || group === undefined || known.size === pictureOf(written, group).size,
    );
  await eventually("all groups are told", groupsTold, TOLD_MS);
  await Promise.all(all.map((watcher) => watcher.stop()));

  expect(all.map((watcher) => watcher.fault()).filter((fault) => fault !== undefined)).toEqual([]);
  const neverDropped = all.filter(({ name, resumed }) => !name.startsWith("steady") && resumed() === 0);
  expect(neverDropped.map(({ name }) => name)).toEqual([]);
  expect(Object.keys(written)).toHaveLength(last);
  expectHeld(log.changes(), written);
  expect(log.last()).toBe(last);
  const inLog = new Set(written);
  expect(inLog.size).toBe(written.length);
  expect(writers.acknowledged.filter((change) => !inLog.has(change))).toEqual([]);
  for (const { name, group, told, toldAfter } of all) {
    if (group !== undefined) expect({ name, told }).toEqual({ name, told: changesOf(written, group, toldAfter()) });
  }
  const tasks = await listed();
  expect(sorted(etagsOf(pictureOf(written)))).toEqual(sorted(tasks));
  const ends = all.map(({ name, group, known }) => ({ by: name, revision: last, group, known }));
  const begins = latecomers.flatMap((watcher) => watcher.snapshot() ?? []);
  expect(wrongPictures(written, [...ends, ...begins])).toEqual([]);
  process.stderr.write(
    `change stream: ${last} changes, ${writers.acknowledged.length} acknowledged; resumed ${all.map((w) => w.resumed()).join(", ")} times\n`,
  );
  return written;
}

/** All that anybody was told is in the database's log, as it was told. */
function expectHeld(told: readonly (string | undefined)[], written: readonly string[]): void {
  const differing = told.flatMap((change, revision) =>
    change === undefined || change === written[revision] ? [] : [{ revision, change, written: written[revision] }],
  );
  expect(differing).toEqual([]);
}

describe(`a change stream, with ${WRITERS} writers at two APIs`, () => {
  it(`leaves out nothing of ${CHANGES} changes, repeats nothing, and keeps the order; snapshots meanwhile are whole`, async () => {
    const random = createRandom("change stream");
    const log = createToldLog();
    const watchers = startWatchers(await firstToken(), log, random, [1_000, 500, 300, 2_000]);
    const writers = startWriters(clients, random);
    const snapshots = startSnapshots(writers, log, random);
    await writers.reached(CHANGES * 0.4);
    const latecomers = startLatecomers(log, random);
    await writers.reached(CHANGES);
    await writers.stop();
    const pictures = await snapshots.stop();
    const written = await judge(log, watchers, latecomers, writers);
    // Nobody was refused, so that each change that is there was acknowledged; and the last ones.
    expect(writers.unanswered()).toBe(0);
    expect(written.length - 1).toBe(writers.acknowledged.length + 2 * GROUPS.length);
    expect(watchers.length + latecomers.length).toBeGreaterThanOrEqual(20);
    expect(pictures.length).toBeGreaterThan(10);
    expect(wrongPictures(written, pictures)).toEqual([]);
    expect(pictures.some(({ known }) => known.size > 500)).toBe(true);
    process.stderr.write(`change stream: ${pictures.length} snapshots meanwhile\n`);
  }, 900_000);

  it("tells nothing that a death of the database takes back", async () => {
    const random = createRandom("change stream, database killed");
    const log = createToldLog();
    const watchers = startWatchers(await firstToken(), log, random, [300, 100, 50, 10]);
    const writers = startWriters(clients, random);
    let latecomers: JudgedWatcher[] = [];
    for (const count of [600, 1_200, 1_800, 2_400]) {
      await writers.reached(count);
      await server.kill();
      // Whatever was told until now was told before the death; what others are told later is looked at in the end.
      const told = log.changes().slice();
      await server.start();
      expectHeld(told, await readLogTable(database.url));
      if (latecomers.length === 0) latecomers = startLatecomers(log, random);
    }
    await writers.reached(3_000);
    await writers.stop();
    await judge(log, watchers, latecomers, writers);
    expect(writers.unanswered()).toBeGreaterThan(0);
  }, 300_000);
});
