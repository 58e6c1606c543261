import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ExecutionState, TaskState } from "@taskscheduler/proto";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { eventually } from "../setup/eventually.js";
import { migrate, undoThrough } from "../setup/migrator.js";
import { type ApiProcess, killAll, startApi, startScheduler } from "../setup/processes.js";
import { logStatements, type SentStatement, type StatementLog } from "../setup/sent-statements.js";
import { connectTo, createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { type ApiClients, at, clientsOf } from "./api-fixture.js";

const TASKS = 30_000;
/** Have a label, and come last or first by all that tasks are sorted by. */
const LATE = 10_000;
const RUNS_EACH = 2;
/** Of the task that has run most. */
const RUNS_OF_ONE = 20_000;
const ONE = 15_000;
const PAGE = 100;
/** What a page may read of each range that it is merged from: its rows, by key and in full, and the merge. */
const PAGE_READS = 10 * PAGE;
/** Of a page of 100, so many tasks or executions that a filter selects are sorted, and more looked for in their order. */
const FEW_TASKS = 3_553;
const FEW_RUNS = 55_045;
const { ACTIVE, PAUSED, COMPLETED } = TaskState;
const { FAILED, SUCCEEDED, RUNNING } = ExecutionState;
/** At least so many counts of executions: those of a page of time are few among them. */
const STATS = 7_000;
/** For retention, of each kind. */
const OLD = 1_500;
/** Of the few that a call is about, with what is read beside. */
const FEW_ROWS = 300;
const NOW_MS = Date.now();

let server: PrivateServer;
let database: TestDatabase;
let api: ApiProcess;
let clients: ApiClients;
let log: StatementLog;

beforeAll(async () => {
  server = await startPrivateServer();
  database = await createTestDatabase(server.url);
  await migrate(database.url);
  await fill();
  log = await logStatements(database.url);
  api = await startApi({ databaseUrl: database.url });
  await api.ready();
  clients = clientsOf(api);
}, 120_000);

afterAll(async () => {
  clients?.close();
  await log?.stop();
  await killAll();
  await server?.stop();
});

/** Most tasks are active, few paused; names, creation and next runs run against the ids. */
async function fill(): Promise<void> {
  const connection = await connectTo(database.url);
  await connection.query("SET unique_checks = 0, time_zone = '+00:00', @now = UTC_TIMESTAMP(3)");
  await connection.query(
    `INSERT INTO tasks (id, name, scheduled_time, labels, state, next_run_time, last_run_time, create_time)
       SELECT seq, CONCAT(MD5(seq), ' task ', seq), '2100-01-01',
         CONCAT('{"all":"","tenth":"', seq % 10, '","late":"', seq > ${TASKS - LATE}, '"', IF(seq % 10000 = 7, ',"rare":"yes"', ''), '}'),
         CASE WHEN seq % 1000 = 7 THEN 'PAUSED' WHEN seq % 20 = 3 THEN 'COMPLETED' ELSE 'ACTIVE' END,
         IF(seq % 20 = 3, NULL, DATE'2100-02-01' - INTERVAL seq MINUTE), @now - INTERVAL (3600 + seq) SECOND,
         DATE'2025-01-01' - INTERVAL seq SECOND FROM seq_1_to_${TASKS}`,
  );
  await connection.query(
    `INSERT INTO task_labels SELECT id, label.name, JSON_VALUE(labels, CONCAT('$.', label.name))
       FROM tasks, JSON_TABLE(JSON_KEYS(labels), '$[*]' COLUMNS (name VARCHAR(63) PATH '$')) AS label`,
  );
  const columns = "(task_id, scheduled_time, task_name, trigger_kind, state, end_time)";
  const state = `CASE WHEN task.seq % 1000 = 1 THEN 'FAILED' WHEN task.seq % 3000 = 2 THEN 'RUNNING' ELSE 'SUCCEEDED' END`;
  await connection.query(
    `INSERT INTO executions ${columns} SELECT task.seq, @at := @now - INTERVAL (3600 * run.seq + task.seq) SECOND,
         'task', 'SCHEDULE', ${state}, @at FROM seq_1_to_${TASKS} AS task, seq_1_to_${RUNS_EACH} AS run WHERE task.seq <> ${ONE}`,
  );
  await connection.query(
    `INSERT INTO executions ${columns} SELECT ${ONE}, @at := @now - INTERVAL (100 * task.seq) SECOND,
         'task', 'SCHEDULE', ${state}, @at FROM seq_1_to_${RUNS_OF_ONE} AS task`,
  );
  // For retention, beside what was due as long ago, and ended just now.
  await connection.query(
    `INSERT INTO executions ${columns} SELECT 1, DATE'2020-01-01' + INTERVAL seq SECOND, 'task', 'SCHEDULE',
         IF(seq % 2, 'SUCCEEDED', 'MISSED'), IF(seq % 50, '2020-01-02', @now) FROM seq_1_to_${OLD}`,
  );
  await connection.query(`INSERT INTO changes SELECT seq, seq, 'TASK', '2020-01-01', '' FROM seq_1_to_${OLD}`);
  await connection.query(`INSERT INTO requests SELECT UUID(), REPEAT(' ', 32), '', '2020-01-01' FROM seq_1_to_${OLD}`);
  await connection.query(
    `INSERT INTO retries SELECT seq, @now, DATE'2100-01-01' + INTERVAL seq SECOND FROM seq_1_to_${OLD}`,
  );
  await connection.query("UPDATE change_counter SET revision = ?", [OLD]);
  // By the step that counts what is there.
  await undoThrough(database.url, "0008-summaries");
  await migrate(database.url);
  const stats = await connection.query("SELECT COUNT(*) AS n FROM execution_stats");
  expect(Number(stats[0].n)).toBeGreaterThan(STATS);
  await connection.query("ANALYZE TABLE tasks, task_labels, executions, execution_stats, changes, requests, retries");
  await connection.end();
}

/** By which index, and how many at most of one statement and another. */
function expectWithin(statements: readonly SentStatement[], reads: string, rows: number): void {
  const read = statements.reduce((sum, statement) => sum + statement.rows, 0);
  const by = [...new Set(statements.flatMap((statement) => statement.reads))].sort().join(", ");
  if (by === reads && read <= rows) return;
  const sent = statements.map(({ text, ...counted }) => `${JSON.stringify(counted)}: ${text.slice(0, 2_000)}`);
  throw new Error(`${read} rows by ${by}; expected were at most ${rows} by ${reads}:\n${sent.join("\n")}`);
}

/** What is read for a call, but for the last executions of the tasks that it answers. */
async function expectReads(call: () => Promise<unknown>, reads: string, rows: number): Promise<void> {
  await log.clear();
  await call();
  const statements = await log.take(["tasks", "executions", "execution_stats"]);
  expectWithin(
    statements.filter(({ text }) => !isLastExecutions(text)),
    reads,
    rows,
  );
}

const isLastExecutions = (text: string) =>
  /WHERE \(task_id, scheduled_time\) IN/.test(text) && text.startsWith("SELECT");

/** Scheduled between these. */
const hoursAgo = (from: number, to: number) => ({
  scheduledAfter: timestampFromMs(NOW_MS - from * 3_600_000),
  scheduledBefore: timestampFromMs(NOW_MS - to * 3_600_000),
});

const list = (request: object): Promise<{ nextPageToken: string }> => clients.gRPC.call("listTasks", request);
const runs = (request: object): Promise<{ nextPageToken: string }> => clients.gRPC.call("listExecutions", request);

/** The request of a page far from the first. */
async function farPage(pageOf: typeof list, request: object): Promise<object> {
  let pageToken = "";
  for (let page = 0; page < 10; page += 1) {
    pageToken = (await pageOf({ ...request, pageSize: 1_000, pageToken })).nextPageToken;
  }
  return { ...request, pageSize: PAGE, pageToken };
}

it("retention reads what it removes, and what was due as long ago", async () => {
  const connection = await connectTo(database.url, { bigIntAsNumber: true });
  const left = async (): Promise<number> => {
    const [row] = await connection.query(
      `SELECT (SELECT COUNT(*) FROM changes) + (SELECT COUNT(*) FROM requests)
         + (SELECT COUNT(*) FROM executions WHERE end_time < '2020-02-01') AS n`,
    );
    return row.n;
  };
  await eventually("the old ones are gone", async () => (await left()) === 0, 30_000);
  await connection.end();
  const purges = await log.take(["changes", "requests", "executions", "execution_stats"]);
  const of = (table: string) => purges.filter(({ text }) => text.includes(` ${table} `) && /^(\(|DELETE)/.test(text));
  expectWithin(of("changes"), "changes changes_time", OLD);
  expectWithin(of("requests"), "requests requests_time", OLD);
  expectWithin(of("executions"), "executions PRIMARY, executions executions_due", OLD);
  expectWithin(of("execution_stats"), "execution_stats PRIMARY", OLD);
});

describe("a page of tasks reads no more than itself", () => {
  it.each([
    ["id", "tasks PRIMARY"],
    ["name", "tasks PRIMARY, tasks tasks_name"],
    ["create_time", "tasks PRIMARY, tasks tasks_created"],
    ["next_run_time", "tasks PRIMARY, tasks tasks_due, tasks tasks_state"],
  ])("by %s", async (field, reads) => {
    for (const orderBy of [field, `${field} desc`]) {
      await expectReads(() => list({ orderBy }), reads, 2 * PAGE_READS);
      const far = await farPage(list, { orderBy });
      const isPastNulls = orderBy === "next_run_time";
      const then = isPastNulls || orderBy.startsWith("next") ? "tasks PRIMARY, tasks tasks_due" : reads;
      await expectReads(() => list(far), orderBy === "next_run_time desc" ? reads : then, 2 * PAGE_READS);
    }
  });

  it.each<[string, object, string]>([
    ["few are in the state", { states: [PAUSED] }, "tasks PRIMARY, tasks tasks_state"],
    ["most are in the states", { states: [ACTIVE, COMPLETED] }, "tasks PRIMARY, tasks tasks_state"],
    ["few are, by name", { states: [PAUSED], orderBy: "name" }, "tasks PRIMARY, tasks tasks_name"],
    ["most are, by name", { states: [ACTIVE], orderBy: "name desc" }, "tasks PRIMARY, tasks tasks_name"],
    ["few are, by creation", { states: [PAUSED], orderBy: "create_time" }, "tasks PRIMARY, tasks tasks_created"],
    ["most are, by creation", { states: [ACTIVE], orderBy: "create_time desc" }, "tasks PRIMARY, tasks tasks_created"],
    ["they have no next run", { states: [COMPLETED], orderBy: "next_run_time" }, "tasks PRIMARY, tasks tasks_state"],
    ["most are, by next run", { states: [ACTIVE], orderBy: "next_run_time desc" }, "tasks PRIMARY, tasks tasks_due"],
    ["all have the label", { labelFilter: { all: "" } }, "label0 task_labels_value, tasks PRIMARY"],
    [
      "three have the label",
      { labelFilter: { rare: "yes" }, orderBy: "name" },
      "label0 task_labels_value, tasks PRIMARY",
    ],
    [
      "three have one of two labels",
      { labelFilter: { all: "", rare: "yes" }, orderBy: "create_time" },
      "label0 task_labels_value, label1 task_labels_value, tasks PRIMARY",
    ],
    [
      "the next run is within a few minutes",
      { nextRunAfter: at("2100-01-20T00:00:00Z"), nextRunBefore: at("2100-01-20T01:00:00Z"), orderBy: "name" },
      "tasks PRIMARY, tasks tasks_due",
    ],
    [
      "the next run is later than that of most, by next run",
      { nextRunAfter: at("2100-01-20T00:00:00Z"), orderBy: "next_run_time" },
      "tasks PRIMARY, tasks tasks_due",
    ],
  ])("where %s", async (_, request, reads) => {
    await expectReads(() => list(request), reads, 2 * PAGE_READS);
  });
});

describe("a page of executions reads no more than itself", () => {
  it.each([
    ["id", "executions PRIMARY"],
    ["scheduled_time", "executions PRIMARY, executions executions_due"],
  ])("by %s", async (field, reads) => {
    for (const orderBy of [field, `${field} desc`]) {
      await expectReads(() => runs({ orderBy }), reads, 2 * PAGE_READS);
      const far = await farPage(runs, { orderBy });
      await expectReads(() => runs(far), reads, 2 * PAGE_READS);
    }
  });

  const hour = hoursAgo(300, 299);

  it.each<[string, object, string]>([
    ["they are of one task", { taskId: ONE }, "executions PRIMARY"],
    ["they are of one task, by time", { taskId: ONE, orderBy: "scheduled_time desc" }, "executions PRIMARY"],
    ["they are of one task and time", { taskId: ONE, ...hour, orderBy: "scheduled_time" }, "executions PRIMARY"],
    [
      "none of many of one task is in the state",
      { taskId: ONE, states: [FAILED], orderBy: "scheduled_time" },
      "executions PRIMARY, executions executions_state",
    ],
    ["few are in the state", { states: [RUNNING] }, "executions PRIMARY, executions executions_state"],
    ["most are in the states", { states: [SUCCEEDED, FAILED] }, "executions PRIMARY, executions executions_state"],
    [
      "few are in the state, by time",
      { states: [FAILED], orderBy: "scheduled_time desc" },
      "executions PRIMARY, executions executions_due",
    ],
    [
      "most are in the states, by time",
      { states: [SUCCEEDED, RUNNING], orderBy: "scheduled_time" },
      "executions PRIMARY, executions executions_due",
    ],
    [
      "they are of a time, by time",
      { ...hour, orderBy: "scheduled_time desc" },
      "executions PRIMARY, executions executions_due",
    ],
    [
      "they are of a time and state, by time",
      { ...hour, states: [FAILED], orderBy: "scheduled_time" },
      "executions PRIMARY, executions executions_due",
    ],
  ])("where %s", async (_, request, reads) => {
    await expectReads(() => runs(request), reads, 2 * PAGE_READS);
  });
});

describe("a summary reads no more than is counted for it", () => {
  const summarize = (request: object) => clients.gRPC.call("summarizeExecutions", request);
  const hours = (count: number) => ({ bucket: { seconds: BigInt(count * 3_600) } });
  /** Of a slot or an hour: a few states, and no times. With what is read to group them. */
  const STATS_EACH = 10;

  it.each<[string, object, string, number]>([
    ["of a day", hoursAgo(24, 0), "execution_stats PRIMARY", STATS_EACH * (26 + 24)],
    ["of a day by hours", { ...hoursAgo(24, 0), ...hours(1) }, "execution_stats PRIMARY", STATS_EACH * 12 * 26],
    ["of two weeks by days", { ...hoursAgo(336, 0), ...hours(24) }, "execution_stats PRIMARY", STATS_EACH * 2 * 336],
    ["of one task", { taskId: ONE, ...hoursAgo(300, 298) }, "executions PRIMARY", 20 * 2 * 36],
    ["of one task by hours", { taskId: ONE, ...hoursAgo(300, 298), ...hours(1) }, "executions PRIMARY", 20 * 2 * 36],
  ])("%s", async (_, request, reads, rows) => {
    await expectReads(() => summarize(request), reads, rows);
  });
});

describe("where an order and a filter have no index together, a page", () => {
  it("looks at tasks in their order, if many match", async () => {
    const request = { labelFilter: { all: "" }, orderBy: "create_time" };
    const reads = "label0 task_labels_value, tasks PRIMARY, tasks tasks_created";
    // That the label has many tasks is found before.
    await expectReads(() => list(request), reads, 4 * PAGE_READS + 2 * FEW_TASKS);
  });

  it("gives up to look where they do not come soon, and sorts what matches", async () => {
    // Those with the label were created before all others.
    const request = { labelFilter: { late: "1" }, orderBy: "create_time desc", pageSize: 1 };
    const reads = "label0 task_labels_value, tasks PRIMARY, tasks tasks_created";
    await expectReads(() => list(request), reads, 3 * LATE + 5 * 8_000);
  });

  it("reads the index by name alone for a part of the name", async () => {
    const reads = "tasks PRIMARY, tasks tasks_name";
    await expectReads(() => list({ nameContains: "no such", orderBy: "name" }), reads, TASKS + PAGE);
    // After a hundred tasks for each of the page, in their order, and the same of each state.
    const request = { nameContains: "no such", orderBy: "create_time" };
    const all = "tasks PRIMARY, tasks tasks_created, tasks tasks_name";
    await expectReads(() => list(request), all, TASKS + 110 * PAGE);
  });

  it.each<[string, object, string, number]>([
    [
      "sorts by task what is of a short time",
      hoursAgo(300, 299),
      "executions PRIMARY, executions executions_due",
      PAGE_READS,
    ],
    [
      "gives up to look by task as well, and sorts what is of the time",
      { ...hoursAgo(1_000, 13), pageSize: 1 },
      "executions PRIMARY, executions executions_due",
      3 * RUNS_OF_ONE,
    ],
    [
      "looks at executions by task, if many are of the time",
      hoursAgo(10_000, 2),
      "executions PRIMARY, executions executions_due",
      3 * PAGE_READS + 2 * FEW_RUNS,
    ],
  ])("%s", async (_, request, reads, rows) => {
    await expectReads(() => runs(request), reads, rows);
  });
});

describe("a count reads what it counts, up to 10000", () => {
  const COUNTED = 10_000;
  it.each<[string, object, string, number]>([
    ["all", {}, "tasks PRIMARY", 2 * COUNTED],
    ["of a state", { states: [ACTIVE] }, "tasks PRIMARY, tasks tasks_state", 2 * COUNTED],
    ["of a label", { labelFilter: { all: "" } }, "label0 task_labels_value, tasks PRIMARY", 2 * COUNTED],
    ["of few", { labelFilter: { rare: "yes" } }, "label0 task_labels_value, tasks PRIMARY", 100],
    [
      "of a label and a state",
      { labelFilter: { rare: "yes" }, states: [ACTIVE] },
      "label0 task_labels_value, tasks PRIMARY, tasks tasks_state",
      100,
    ],
    [
      "by next run",
      { nextRunAfter: at("2100-01-20T00:00:00Z") },
      "tasks PRIMARY, tasks tasks_due, tasks tasks_state",
      6 * COUNTED,
    ],
    ["by a part of the name", { nameContains: "task" }, "tasks PRIMARY, tasks tasks_name", 3 * COUNTED],
  ])("of tasks, %s", async (_, request, reads, rows) => {
    await expectReads(() => list({ ...request, countTotal: true, pageSize: 1 }), reads, rows + PAGE);
  });

  it.each<[string, object, string, number]>([
    ["all", {}, "executions PRIMARY", 2 * COUNTED],
    ["of one task", { taskId: ONE }, "executions PRIMARY", 2 * COUNTED],
    ["of a state", { states: [SUCCEEDED] }, "executions PRIMARY, executions executions_state", 2 * COUNTED],
    ["of few", { states: [RUNNING] }, "executions PRIMARY, executions executions_state", 100],
    ["of a time", hoursAgo(300, 299), "executions PRIMARY, executions executions_due", 1_000],
  ])("of executions, %s", async (_, request, reads, rows) => {
    await expectReads(() => runs({ ...request, countTotal: true, pageSize: 1 }), reads, rows + PAGE);
  });
});

describe("what is read by key", () => {
  it("is read by key: a task with its last execution, an execution, the last executions of a page", async () => {
    await log.clear();
    const { task } = await clients.gRPC.call("getTask", { id: 77 });
    expect(task?.id).toBe(77);
    expectWithin(await log.take(["tasks", "executions"]), "executions PRIMARY, tasks PRIMARY", 2);
    const { executions } = await clients.gRPC.call("listExecutions", { pageSize: 1 });
    await log.clear();
    await clients.gRPC.call("getExecution", { id: executions[0]!.id });
    expectWithin(await log.take(["tasks", "executions"]), "executions PRIMARY", 1);
    await log.clear();
    await list({});
    expectWithin(
      (await log.take(["executions"])).filter(({ text }) => isLastExecutions(text)),
      "executions PRIMARY",
      2 * PAGE,
    );
  });

  it("a long skip begins near its end, once tasks were counted", async () => {
    const skip = (rank: number) => () => fetch(`${api.httpUrl}/api/tasks/?skip=${rank}&limit=${PAGE}`);
    await expectReads(skip(9_000), "tasks PRIMARY", 9_000 + PAGE_READS);
    await expectReads(skip(20_000), "tasks PRIMARY, tasks tasks_state", 2 * TASKS + 5_000 + PAGE_READS);
    await expectReads(skip(TASKS - 10), "tasks PRIMARY", 5_000);
  });
});

it("a snapshot reads page after page", async () => {
  await log.clear();
  for (const method of ["watchTasks", "watchExecutions"] as const) {
    const watch = clients.gRPC.watch(method);
    await watch.until("it is complete", (events) => events.at(-1)?.event.case === "snapshotComplete", 30_000);
    watch.cancel();
  }
  const statements = await log.take(["tasks", "executions", "execution_stats"]);
  expectWithin(statements, "executions executions_state, tasks PRIMARY", 3 * 500);
});

it("dead letters are found by the index of their times, or of their task", async () => {
  const retry = (filter: object) => clients.gRPC.call("retryExecution", { filter, validateOnly: true });
  const keys = async (filter: object) => {
    await log.clear();
    await retry(filter);
    const statements = await log.take(["executions"]);
    return statements.filter(({ text }) => text.includes("state = 'FAILED'"));
  };
  expectWithin(await keys(hoursAgo(20, 1)), "executions executions_due, tasks PRIMARY", 2 * 1_001);
  expectWithin(await keys({ taskId: ONE }), "executions executions_state, tasks PRIMARY", 2 * 1_001);
});

it("the feed, claims, reports and edits read what they are about", async () => {
  await log.clear();
  const env = { TARGET_ALLOW_CIDRS: "127.0.0.1/32" };
  const scheduler = await startScheduler({ apiAddress: api.grpcAddress, env });
  await scheduler.ready();
  const scheduledTime = timestampFromMs(Date.now() + 1_500);
  const { task: retried } = await clients.gRPC.call("createTask", {
    task: {
      ...{ name: "retried", scheduledTime, webhook: { url: "http://127.0.0.1:9/" } },
      retryPolicy: { maxAttempts: 3, initialBackoff: durationFromMs(50), maxBackoff: durationFromMs(50) },
    },
  } as never);
  const labels = { edited: "not yet" };
  const { results } = await clients.gRPC.call("batchCreateTasks", {
    tasks: Array.from({ length: 20 }, (_, index) => ({ name: `due ${index}`, scheduledTime, labels })),
  });
  const ids = results.map(({ result }) => (result.case === "task" ? result.value.id : 0));
  await eventually("all have run", async () => {
    const { tasks } = await clients.gRPC.call("listTasks", { labelFilter: labels, states: [COMPLETED] });
    return tasks.length === ids.length;
  });
  const [failed] = await eventually("the last attempt has failed", async () => {
    const { executions } = await clients.gRPC.call("listExecutions", { taskId: retried!.id, states: [FAILED] });
    return executions.length === 1 && executions;
  });
  expect(failed!.attempts).toHaveLength(3);
  await clients.gRPC.call("cancelExecution", {
    id: (await clients.gRPC.call("retryExecution", { id: failed!.id })).execution!.id,
  });
  for (const id of ids.slice(0, 5)) {
    await clients.gRPC.call("updateTask", { task: { id, labels: { other: "now" } } });
    await clients.gRPC.call("deleteTask", { id });
  }
  expect(await scheduler.stop()).toBe(0);
  const statements = await log.take(["tasks", "executions", "task_labels", "retries"]);
  const kinds = [
    /^DELETE retries/,
    /FROM retries/,
    /FROM tasks FORCE INDEX \(tasks_due\)/,
    /^UPDATE JSON_TABLE/,
    /^DELETE task_labels/,
    /FOR UPDATE/,
  ];
  for (const kind of kinds) expect(statements.map(({ text }) => text)).toContainEqual(expect.stringMatching(kind));
  for (const statement of statements) {
    // `moved` and `ended` are what the statement itself brings along.
    const whole = statement.reads.filter((read) => / (ALL|null)$/.test(read) && !/^(moved|ended) ALL$/.test(read));
    expect([whole, statement.text]).toEqual([[], statement.text]);
    if (statement.rows > FEW_ROWS) throw new Error(`${statement.rows} rows: ${statement.text.slice(0, 2_000)}`);
  }
});

it("an index that is missing, or a table that is read whole, does not go unseen", async () => {
  const sent = async (text: string) => {
    const connection = await connectTo(database.url);
    await log.clear();
    await connection.query(text);
    await connection.end();
    return log.take(["tasks"]);
  };
  const whole = await sent("SELECT id FROM tasks WHERE description = 'none'");
  expect(whole).toMatchObject([{ reads: ["tasks ALL"] }]);
  expect(whole[0]?.rows).toBeGreaterThanOrEqual(TASKS);
  const connection = await connectTo(database.url);
  await connection.query("ALTER TABLE tasks DROP KEY tasks_created");
  await connection.end();
  // The schema is not ours any more.
  await expect(list({ orderBy: "create_time" })).rejects.toMatchObject({ code: 14 });
});
