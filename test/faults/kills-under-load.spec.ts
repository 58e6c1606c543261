import type { Connection } from "mariadb";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { freePort } from "../../scripts/ports.mjs";
import { countedExecutions } from "../setup/counted-executions.js";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createRandom, type Random } from "../setup/random.js";
import { soakOr } from "../setup/soak.js";
import { createTaskClient, type Run, type TaskClient, type TaskView, viewOf } from "../setup/task-client.js";
import { connectTo, createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { type Edit, type EditingWriters, startEditingWriters } from "./editing-writers.js";
import { type ExecutionWatcher, type ToldExecution, watchExecutions } from "./execution-watcher.js";
import { describePlan, planKills, strikeBy, type Victim } from "./kill-plan.js";
import { type TaskWatcher, watchTasks } from "./task-watcher.js";

const KILLS_MS = soakOr(120_000, 30_000);
const LEASE_MS = 1_500;
/** Fifty a second. */
const INTERVAL_MS = 20;
/** Every so many is a daily one whose anchor lies in the past. */
const DAILY_EVERY = 10;
const DAY_MS = 86_400_000;
const SETTLE_MS = 90_000;
/**
 * A scheduler that is cut off runs what it holds until its lease ends, though it cannot hear of a withdrawal: nearer to
 * its time than this, an occurrence may run in spite of an edit.
 */
const TOO_LATE_MS = LEASE_MS;

let server: PrivateServer;
let database: TestDatabase;
let apiPorts: { readonly httpPort: number; readonly grpcPort: number }[];
let apis: ApiProcess[];
let schedulers: ServiceProcess[];
let clients: TaskClient[];
/** Every process that was started, to be asked at the end how it fared. */
const launched: ServiceProcess[] = [];

async function launchApi(index: number): Promise<ApiProcess> {
  const env = { LEASE_MS: String(LEASE_MS), LOG_LEVEL: "warn" };
  const api = await startApi({ databaseUrl: database.url, ...apiPorts[index]!, env });
  launched.push(api);
  return api;
}

async function launchScheduler(index: number): Promise<ServiceProcess> {
  const apiAddress = `127.0.0.1:${apiPorts[index]!.grpcPort}`;
  const env = { LOG_LEVEL: "warn" };
  const scheduler = await startScheduler({ apiAddress, schedulerId: `scheduler ${index}`, env });
  launched.push(scheduler);
  return scheduler;
}

beforeAll(async () => {
  server = await startPrivateServer();
  database = await createTestDatabase(server.url);
  const ports = async () => ({ httpPort: await freePort(), grpcPort: await freePort() });
  apiPorts = [await ports(), await ports()];
  apis = await Promise.all([0, 1].map(launchApi));
  schedulers = await Promise.all([0, 1].map(launchScheduler));
  await Promise.all([...apis, ...schedulers].map((each) => each.ready()));
  clients = apis.map((api) => createTaskClient(api.grpcAddress));
}, 120_000);

afterAll(async () => {
  for (const client of clients ?? []) client.close();
  await killAll();
  await server?.stop();
});

function victims(): Victim[] {
  const processes = [0, 1].flatMap((index): Victim[] => [
    {
      name: `api ${index}`,
      async restart() {
        await apis[index]!.kill();
        apis[index] = await launchApi(index);
      },
    },
    {
      name: `scheduler ${index}`,
      async restart() {
        await schedulers[index]!.kill();
        schedulers[index] = await launchScheduler(index);
      },
    },
  ]);
  const restart = async () => {
    await server.kill();
    await server.start();
  };
  return [...processes, { name: "mariadb", restart }];
}

interface DueTask extends TaskView {
  readonly dueMs: number;
  readonly isDaily: boolean;
}

/** Fifty a second, from shortly after now until the kills are over. */
async function createLoad(): Promise<DueTask[]> {
  const startMs = Date.now() + 5_000;
  const drafts = Array.from({ length: KILLS_MS / INTERVAL_MS }, (_, index) => {
    const dueMs = startMs + index * INTERVAL_MS;
    const isDaily = index % DAILY_EVERY === 0;
    const daily = { scheduledTimeMs: dueMs - 3 * DAY_MS, recurrence: "DAILY" as const };
    return { name: `load ${index}`, dueMs, isDaily, ...(isDaily ? daily : { scheduledTimeMs: dueMs }) };
  });
  const tasks = await clients[0]!.createAll(drafts);
  // On a busy machine the first are due before the last are created: they run.
  await eventually("the first is nearly due", () => Date.now() > startMs - 500, 20_000);
  return tasks.map((task, index) => ({ ...task, dueMs: drafts[index]!.dueMs, isDaily: drafts[index]!.isDaily }));
}

interface Watchers {
  readonly tasks: readonly TaskWatcher[];
  readonly executions: readonly ExecutionWatcher[];
}

/** One that stays as long as it is served, and one that drops its stream itself as well; both resume at either API. */
function startWatchers(resumeToken: string, random: Random): Watchers {
  const common = { clients, resumeToken };
  return {
    tasks: [
      watchTasks({ ...common, name: "staying", random: random.fork() }),
      watchTasks({ ...common, name: "dropping", random: random.fork(), dropAfter: 300 }),
    ],
    executions: [
      watchExecutions({ ...common, random: random.fork() }),
      watchExecutions({ ...common, random: random.fork(), dropAfter: 300 }),
    ],
  };
}

async function firstToken(): Promise<string> {
  const watcher = watchExecutions({ clients });
  await eventually("the log's beginning", () => watcher.resumeToken() !== "");
  await watcher.stop();
  expect(watcher.lastRevision()).toBe(0);
  return watcher.resumeToken();
}

const keyOf = ({ taskId, scheduledTimeMs }: Pick<Run, "taskId" | "scheduledTimeMs">) => `${taskId}@${scheduledTimeMs}`;

/** Every row of the ledger, when none is open any more and nothing active is due. */
async function settledRuns(connection: Connection): Promise<Run[]> {
  await eventually(
    "nothing is open or due any more",
    async () => {
      const [row] = await connection.query(
        `SELECT (SELECT COUNT(*) FROM executions WHERE state IN ('PENDING','CLAIMED','RUNNING','RETRYING')) +
                (SELECT COUNT(*) FROM tasks WHERE state = 'ACTIVE' AND next_run_time < ?) AS n`,
        [new Date(Date.now() + DAY_MS / 2).toISOString().slice(0, 23).replace("T", " ")],
      );
      return Number(row.n) === 0;
    },
    SETTLE_MS,
  );
  return clients[0]!.runs();
}

/** Each has exactly one row, at its time, that says it ran, and not early. */
function expectRanOnce(expected: readonly { id: number; dueMs: number }[], runs: readonly Run[]): void {
  const ids = new Set(expected.map(({ id }) => id));
  const found = runs.filter(({ taskId }) => ids.has(taskId));
  const wrong = found.filter(({ state, startTimeMs, scheduledTimeMs }) => {
    return state !== "SUCCEEDED" || startTimeMs === undefined || startTimeMs < scheduledTimeMs;
  });
  expect(wrong).toEqual([]);
  const keys = (list: string[]) => list.sort();
  expect(keys(found.map(keyOf))).toEqual(
    keys(expected.map(({ id, dueMs }) => keyOf({ taskId: id, scheduledTimeMs: dueMs }))),
  );
}

async function expectTasksAsAcknowledged(load: readonly DueTask[], { created }: EditingWriters): Promise<void> {
  const listed = new Map<number, { name: string; description: string } & TaskView>();
  let pageToken = "";
  do {
    const page = await clients[1]!.tasks.unary("listTasks", { pageSize: 1_000, pageToken });
    for (const task of page.tasks) listed.set(task.id, { ...viewOf(task), description: task.description });
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  const expected = [
    ...load.map(({ id, name, etag, scheduledTimeMs, dueMs, isDaily }) => ({
      ...{ id, name, etag, scheduledTimeMs, description: "", runCount: 1 },
      state: isDaily ? "ACTIVE" : "COMPLETED",
      nextRunTimeMs: isDaily ? dueMs + DAY_MS : undefined,
    })),
    ...created.map(({ id, name, etag, scheduledTimeMs, description }) => ({
      ...{ id, name, etag, scheduledTimeMs, description, runCount: 1 },
      ...{ state: "COMPLETED", nextRunTimeMs: undefined },
    })),
  ];
  expect(expected.map(({ id }) => listed.get(id))).toEqual(expected);
}

function expectEditsHeld(edits: readonly Edit[], runs: readonly Run[]): void {
  const rowsOf = new Map<number, Run[]>();
  for (const run of runs) rowsOf.set(run.taskId, [...(rowsOf.get(run.taskId) ?? []), run]);
  const wrong = edits.filter((edit) => !isHeld(edit, rowsOf.get(edit.id) ?? []));
  expect(wrong.map((edit) => ({ ...edit, rows: rowsOf.get(edit.id) }))).toEqual([]);
}

function isHeld(edit: Edit, rows: readonly Run[]): boolean {
  const { kind, firstMs, secondMs, sentMs, acknowledgedMs } = edit;
  const first = rows.filter(({ scheduledTimeMs }) => scheduledTimeMs === firstMs);
  const second = rows.filter(({ scheduledTimeMs }) => scheduledTimeMs === secondMs);
  const ranOnce = (some: readonly Run[]) => some.length === 1 && some[0]!.state === "SUCCEEDED";
  if (rows.length !== first.length + second.length) return false;
  if (rows.some(({ startTimeMs, scheduledTimeMs }) => startTimeMs !== undefined && startTimeMs < scheduledTimeMs)) {
    return false;
  }
  if (kind === "run") return ranOnce(second) && first.length === 0;
  if (kind === "pause and resume") return ranOnce(first) && second.length === 0;
  if (kind === "move" && !ranOnce(second)) return false;
  const hasRun = first.some(({ startTimeMs }) => startTimeMs !== undefined);
  if (acknowledgedMs < firstMs - TOO_LATE_MS) return !hasRun && first.every(({ state }) => state === "CANCELLED");
  // It was due before anybody could decide the edit: it is accounted for.
  if (sentMs > firstMs) return first.length === 1 && ["SUCCEEDED", "MISSED"].includes(first[0]!.state);
  return first.length <= 1;
}

async function expectStreamsWhole(watchers: Watchers, resumeToken: string, runs: readonly Run[]): Promise<void> {
  const random = createRandom("fresh watchers");
  const taskWatchers = [...watchers.tasks, watchTasks({ name: "fresh", clients, resumeToken, random })];
  const executionWatchers = [...watchers.executions, watchExecutions({ clients, resumeToken, random })];
  const all = [...taskWatchers, ...executionWatchers];
  const { id, etag } = await clients[1]!.create({ name: "the last change", scheduledTimeMs: Date.now() + 100 });
  const isLast = ({ taskId, state }: ToldExecution) => taskId === id && state === "SUCCEEDED";
  await eventually(
    "all watchers are told the last run",
    () =>
      all.some((each) => each.fault() !== undefined) ||
      (taskWatchers.every(({ told }) => told.at(-1)?.endsWith(etag)) &&
        executionWatchers.every(({ told }) => told.at(-1) !== undefined && isLast(told.at(-1)!))),
    60_000,
  );
  for (const each of all) await each.stop();
  expect(all.map((each) => each.fault()).filter((fault) => fault !== undefined)).toEqual([]);

  const [tasks, executions] = [taskWatchers.at(-1)!.told, executionWatchers.at(-1)!.told];
  for (const { told } of taskWatchers) expect(firstDifference(told, tasks)).toBeUndefined();
  for (const { told } of executionWatchers) {
    expect(firstDifference(told.map(withoutArrival), executions.map(withoutArrival))).toBeUndefined();
  }
  // Tasks and executions share one count: not one revision is missing.
  const revisions = [...tasks.map((change) => Number(change.split(" ")[0])), ...executions.map((e) => e.revision)];
  revisions.sort((x, y) => x - y);
  expect(revisions.filter((revision, index) => revision !== index + 1)).toEqual([]);
  expectToldAsKept(executions, runs);
  const early = watchers.executions.flatMap(({ told }) =>
    told.filter(({ state, arrivalMs, scheduledTimeMs }) => state === "SUCCEEDED" && arrivalMs < scheduledTimeMs),
  );
  expect(early).toEqual([]);
}

const withoutArrival = ({ arrivalMs: _, ...told }: ToldExecution) => JSON.stringify(told);

/** Of two long lists, where they part. */
function firstDifference(told: readonly string[], log: readonly string[]) {
  const index = Array.from({ length: Math.max(told.length, log.length) }, (_, at) => at).find(
    (at) => told[at] !== log[at],
  );
  return index === undefined ? undefined : { index, told: told[index], log: log[index] };
}

/** What was told last of each row is what the ledger keeps, and nothing runs after it has run. */
function expectToldAsKept(log: readonly ToldExecution[], runs: readonly Run[]): void {
  const last = new Map<string, ToldExecution>();
  const claimedTwice: unknown[] = [];
  for (const told of log) {
    const before = last.get(keyOf(told));
    // One that was given up may turn out to have run: its own claim's report then comes late.
    const isLateReport = before?.attempt === told.attempt && before.schedulerId === told.schedulerId;
    const isAgain = before?.state === "SUCCEEDED" || (before?.state === "MISSED" && !isLateReport);
    const isTakenOver = before?.state === "CLAIMED" && told.state === "CLAIMED";
    if (isAgain || (isTakenOver && told.attempt !== before.attempt + 1)) claimedTwice.push([before, told]);
    last.set(keyOf(told), told);
  }
  expect(claimedTwice).toEqual([]);
  expect(runs.filter((run) => last.get(keyOf(run))?.state !== run.state)).toEqual([]);
}

/** Nobody but the kills ended a process, and none met with what it holds for a defect. */
async function expectNoOwnFaults(): Promise<void> {
  await Promise.all([...apis, ...schedulers].map((each) => each.kill()));
  const codes = await Promise.all(launched.map(({ exited }) => exited));
  expect(codes.filter((code) => code !== null)).toEqual([]);
  const lines = launched.flatMap((each) => each.output().split("\n"));
  expect(lines.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
}

function summaryOf(runs: readonly Run[], writers: EditingWriters): string {
  const lateMs = runs.flatMap(({ startTimeMs, scheduledTimeMs }) =>
    startTimeMs ? [startTimeMs - scheduledTimeMs] : [],
  );
  lateMs.sort((a, b) => a - b);
  const at = (share: number) => lateMs[Math.floor((lateMs.length - 1) * share)];
  const count = (isCounted: (run: Run) => boolean) => runs.filter(isCounted).length;
  return [
    `${runs.length} rows`,
    `${count(({ attempt }) => attempt > 1)} taken over`,
    `${count(({ trigger }) => trigger === "CATCH_UP")} caught up`,
    `late by ${at(0.5)} ms (half), ${at(0.99)} ms (99 %), ${at(1)} ms (all)`,
    `${writers.created.length} created and ${writers.edits.length} edited meanwhile, ${writers.resent()} calls sent again`,
  ].join("; ");
}

it(`${KILLS_MS / 1_000} s of kill -9 in random order: each due occurrence has one row and ran, nothing acknowledged is lost`, async () => {
  const random = createRandom("kills under load");
  const plan = planKills(random.fork(), victims().length, KILLS_MS);
  process.stderr.write(`kills under load: ${describePlan(plan, victims())}\n`);
  const token = await firstToken();
  const watchers = startWatchers(token, random.fork());
  const load = await createLoad();
  const writers = startEditingWriters(clients, random.fork());
  await strikeBy(plan, victims());
  await writers.stop();
  await Promise.all([...apis, ...schedulers].map((each) => each.ready()));

  const connection = await connectTo(database.url, { dateStrings: true, bigIntAsNumber: true });
  const runs = await settledRuns(connection);
  const { counts, ledger } = await countedExecutions(connection).finally(() => connection.end());
  expect(counts).toEqual(ledger);
  process.stderr.write(`kills under load: ${summaryOf(runs, writers)}\n`);
  const byWriters = writers.created.map(({ id, scheduledTimeMs }) => ({ id, dueMs: scheduledTimeMs }));
  expectRanOnce([...load, ...byWriters], runs);
  await expectTasksAsAcknowledged(load, writers);
  expectEditsHeld(writers.edits, runs);
  await expectStreamsWhole(watchers, token, runs);
  await expectNoOwnFaults();
}, 400_000);
