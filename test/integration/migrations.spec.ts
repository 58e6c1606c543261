import { compileSchedule, END_REASONS, RECURRENCES, type Recurrence } from "@taskscheduler/domain";
import { type Connection, createConnection } from "mariadb";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { countedExecutions } from "../setup/counted-executions.js";
import { eventually } from "../setup/eventually.js";
import { migrate, startMigrator, undoThrough } from "../setup/migrator.js";
import { killAll, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient } from "../setup/task-client.js";

const DAY_MS = 24 * 60 * 60 * 1000;
const STEPS = [
  "0001-tasks",
  "0002-schedule",
  "0003-ledger",
  "0004-changes",
  "0005-registration",
  "0006-lists",
  "0007-targets",
  "0008-summaries",
  "0009-end-reasons",
];

/** As the original made it, in a database that the server's defaults shaped. */
const ORIGINAL_TABLE = `CREATE TABLE IF NOT EXISTS tasks (
  id INT AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(255) NOT NULL UNIQUE,
  scheduled_time DATETIME NOT NULL,
  recurrence ENUM('ONCE', 'DAILY', 'WEEKLY', 'BIWEEKLY', 'MONTHLY', 'QUARTERLY', 'YEARLY') NULL
)`;

type OriginalRow = readonly [name: string, scheduledTime: string, recurrence: Recurrence | null];

const ORIGINAL_ROWS: readonly OriginalRow[] = [
  ["Second Updated Task", "2024-04-20 10:00:00", "WEEKLY"],
  ["Finish reading 'Atomic Habits'", "2024-05-01 10:00:00", "ONCE"],
  ["Begin learning Spanish on Duolingo", "2024-09-01 09:00:00", "DAILY"],
  ["Start a daily meditation practice", "2024-08-01 07:00:00", "DAILY"],
  ["Run a half marathon", "2024-07-01 06:00:00", "ONCE"],
  ["Complete the Python Advanced course", "2024-06-01 10:00:00", "ONCE"],
  ["Task After Deletion", "2024-10-01 10:00:00", "ONCE"],
  ["Play cricket", "2024-03-15 15:00:00", "WEEKLY"],
  ["Attend coding webinar", "2024-04-10 18:00:00", "ONCE"],
];

interface MigratedRow {
  readonly id: number;
  readonly name: string;
  readonly scheduledTime: string;
  readonly recurrence: Recurrence | null;
  readonly state: string;
  readonly nextRunTime: string | null;
}

let server: PrivateServer;
let connection: Connection;
let databases = 0;

beforeAll(async () => {
  const extraArgs = [
    "--default-time-zone=-05:00",
    "--character-set-server=latin1",
    "--collation-server=latin1_swedish_ci",
  ];
  server = await startPrivateServer({ extraArgs });
  connection = await createConnection({ ...credentialsOf(server.url), dateStrings: true, bigIntAsNumber: true });
});

afterAll(async () => {
  await connection?.end();
  await killAll();
  await server?.stop();
});

function credentialsOf(url: string) {
  const { hostname, port, username, password } = new URL(url);
  return { host: hostname, port: Number(port), user: username, password };
}

/** A latin1 database. @returns its URL */
async function createDatabase(): Promise<string> {
  databases += 1;
  await connection.query(`CREATE DATABASE old_${databases} CHARACTER SET latin1`);
  await connection.query(`USE old_${databases}`);
  const url = new URL(server.url);
  url.pathname = `/old_${databases}`;
  return url.href;
}

async function createOriginal(rows: readonly OriginalRow[]): Promise<string> {
  const url = await createDatabase();
  await connection.query(ORIGINAL_TABLE);
  await connection.batch("INSERT INTO tasks (name, scheduled_time, recurrence) VALUES (?, ?, ?)", [
    ...rows.map((row) => [...row]),
  ]);
  return url;
}

/** The database that the last `create…` made. */
const originalRows = async (): Promise<OriginalRow[]> =>
  (await connection.query("SELECT name, scheduled_time, recurrence FROM tasks ORDER BY id")).map(
    (row: { name: string; scheduled_time: string; recurrence: Recurrence | null }) =>
      [row.name, row.scheduled_time.replace(/\.000$/, ""), row.recurrence] as const,
  );
const migratedRows = (): Promise<MigratedRow[]> =>
  connection.query(`SELECT id, name, scheduled_time AS scheduledTime, recurrence, state, next_run_time AS nextRunTime
    FROM tasks ORDER BY id`);
const steps = async (): Promise<string[]> =>
  (await connection.query("SELECT name FROM schema_migrations ORDER BY name")).map(
    ({ name }: { name: string }) => name,
  );
const columns = async (): Promise<string[]> =>
  (await connection.query("SHOW COLUMNS FROM tasks")).map((row: Record<string, string>) =>
    [row["Field"], row["Type"], row["Null"], row["Key"], row["Extra"]].join(" "),
  );

const utcMs = (text: string) => Date.parse(`${text.replace(" ", "T")}Z`);
const utcText = (timeMs: number) => new Date(timeMs).toISOString().slice(0, 19).replace("T", " ");

/** What a row is to become: what was due by now is not caught up. */
function expectedOf([, scheduledTime, recurrence]: OriginalRow, nowMs: number) {
  const schedule = { scheduledTimeMs: utcMs(scheduledTime), recurrence: recurrence ?? "ONCE", timeZone: "UTC" };
  const nextMs = compileSchedule(schedule).next(nowMs)?.timeMs;
  return { state: nextMs === undefined ? "COMPLETED" : "ACTIVE", nextMs };
}

function expectMigrated(rows: readonly MigratedRow[], originals: readonly OriginalRow[], nowMs: number): void {
  expect(rows.map(({ name, scheduledTime, recurrence }) => [name, scheduledTime, recurrence])).toEqual(
    originals.map(([name, scheduledTime, recurrence]) => [name, `${scheduledTime}.000`, recurrence]),
  );
  const became = rows.map(({ name, state, nextRunTime }) => {
    return { name, state, nextMs: nextRunTime === null ? undefined : utcMs(nextRunTime) };
  });
  expect(became).toEqual(originals.map((row) => ({ name: row[0], ...expectedOf(row, nowMs) })));
}

describe("a database that the original made", () => {
  it("goes on: no row is lost, and the past is not caught up, though two migrate at once", async () => {
    const originals: OriginalRow[] = [
      ...ORIGINAL_ROWS,
      ["Café à la crème, once", "2024-01-31 10:00:00", null],
      ["monthly from the 31st", "2024-01-31 10:00:00", "MONTHLY"],
      ["still to come", utcText(Date.now() + 300 * DAY_MS), "QUARTERLY"],
    ];
    const url = await createOriginal(originals);
    const outputs = await Promise.all([migrate(url), migrate(url)]);
    expect(outputs.sort()).toEqual(["nothing to do\n", STEPS.map((step) => `up ${step}\n`).join("")]);
    expectMigrated(await migratedRows(), originals, Date.now());
    expect(await steps()).toEqual(STEPS);
    const ids = (await migratedRows()).map(({ id }) => id);
    expect(ids).toEqual(originals.map((_, index) => index + 1));
  }, 60_000);

  it("is served by a pair, which runs nothing of the past, and what is due in its time", async () => {
    // Still to come when the schema is there, also on a busy machine: what was due before is not caught up.
    const dueMs = Math.ceil(Date.now() / 1_000) * 1_000 + 15_000;
    const url = await createOriginal([...ORIGINAL_ROWS, ["Soon due", utcText(dueMs), "DAILY"]]);
    const api = await startApi({ databaseUrl: url });
    const scheduler = await startScheduler({ apiAddress: api.grpcAddress });
    await Promise.all([api.ready(), scheduler.ready()]);
    const client = createTaskClient(api.grpcAddress);
    try {
      const { id } = await client.create({ name: "the last to run", scheduledTimeMs: dueMs + 300 });
      const soon = (await client.list()).find(({ name }) => name === "Soon due");
      const runs = await eventually(
        "both have run",
        async () => {
          const found = await client.runs();
          return found.length >= 2 && found.every(({ state }) => state === "SUCCEEDED") && found;
        },
        30_000,
      );
      expect(runs).toMatchObject([
        { taskId: soon!.id, scheduledTimeMs: dueMs, trigger: "SCHEDULE" },
        { taskId: id, scheduledTimeMs: dueMs + 300 },
      ]);
      expect(await client.get(soon!.id)).toMatchObject({ state: "ACTIVE", nextRunTimeMs: dueMs + DAY_MS });
      const once = (await client.list()).filter(({ name }) => name === "Attend coding webinar");
      expect(once).toMatchObject([{ state: "COMPLETED", runCount: 0, nextRunTimeMs: undefined }]);
    } finally {
      client.close();
      await scheduler.stop();
      await api.stop();
    }
  }, 60_000);

  it("goes back to the original's four columns step by step, and up again", async () => {
    const url = await createOriginal(ORIGINAL_ROWS);
    const before = await columns();
    await migrate(url);
    for (const step of [...STEPS].reverse()) expect(await migrate(url, "down")).toBe(`down ${step}\n`);
    expect(await migrate(url, "down")).toBe("nothing to do\n");
    expect(await columns()).toEqual(before);
    expect(await originalRows()).toEqual(ORIGINAL_ROWS);
    const tables = await connection.query("SHOW TABLES");
    expect(tables.map((row: Record<string, string>) => Object.values(row)[0]).sort()).toEqual([
      "schema_migrations",
      "tasks",
    ]);
    for (let round = 0; round < 2; round += 1) await migrate(url);
    expectMigrated(await migratedRows(), ORIGINAL_ROWS, Date.now());
  }, 60_000);
});

it("two migrate an empty database at once", async () => {
  const url = await createDatabase();
  await Promise.all([migrate(url), migrate(url), migrate(url)]);
  expect(await steps()).toEqual(STEPS);
  expect(await migratedRows()).toEqual([]);
  const [{ collation }] = await connection.query(
    `SELECT COLLATION_NAME AS collation FROM information_schema.COLUMNS
       WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'tasks' AND COLUMN_NAME = 'name'`,
  );
  expect(collation).toBe("utf8mb4_nopad_bin");
});

describe("the next occurrence after the migration is the domain's, for every recurrence and month's end", () => {
  /** An account whose sessions begin at an instant: `init_connect` is run for those without SUPER alone. */
  async function withTime<T>(url: string, now: string, work: (url: string) => Promise<T>): Promise<T> {
    const past = new URL(url);
    past.username = "past";
    past.password = "past";
    await connection.query("CREATE OR REPLACE USER 'past'@'127.0.0.1' IDENTIFIED BY 'past'");
    await connection.query(`GRANT ALL PRIVILEGES ON \`${past.pathname.slice(1)}\`.* TO 'past'@'127.0.0.1'`);
    await connection.query(`SET GLOBAL init_connect = 'SET timestamp = ${Date.parse(now) / 1_000}'`);
    try {
      return await work(past.href);
    } finally {
      await connection.query("SET GLOBAL init_connect = ''");
    }
  }

  /** The ends and the beginnings of months over five years up to now and one beyond it, at several times of the day. */
  function rowsAround(nowMs: number): OriginalRow[] {
    const rows: OriginalRow[] = [];
    const { year, month } = { year: new Date(nowMs).getUTCFullYear(), month: new Date(nowMs).getUTCMonth() };
    for (const recurrence of RECURRENCES) {
      for (let back = -2; back <= 50; back += back < 14 ? 1 : 12) {
        for (const day of [-2, -1, 0, 1, 2, 15]) {
          for (const time of [0, 10 * 3_600_000, DAY_MS - 1_000]) {
            const timeMs = Date.UTC(year, month - back, day) + time;
            rows.push([`${recurrence} ${timeMs}`, utcText(timeMs), recurrence]);
          }
        }
      }
    }
    return [...new Map(rows.map((row) => [row[0], row])).values()];
  }

  it.each([
    "2024-02-29T10:00:00Z",
    "2025-02-28T23:59:59.500Z",
    "2025-03-01T00:00:00Z",
    "2025-04-30T12:00:00.001Z",
    "2024-12-31T09:59:59.999Z",
    "2026-01-31T10:00:00Z",
  ])(
    "at %s",
    async (now) => {
      const originals = rowsAround(Date.parse(now));
      const url = await createOriginal(originals);
      await withTime(url, now, (past) => migrate(past));
      expectMigrated(await migratedRows(), originals, Date.parse(now));
    },
    60_000,
  );
});

it("the labels that tasks have by then are those they are found by, but for what is no labels", async () => {
  const url = await createDatabase();
  await migrate(url);
  const labels = { "a/b.c-d_e": "", q: "\"\\\n\u0001'", u: "ü🚀", n: "null", long: "🚀".repeat(127) };
  const stored = [JSON.stringify(labels), "{}", "{", "", "null", "[]", '"q"', '{"q":1,"u":null,"kept":"x"}'];
  await connection.query("SET NAMES utf8mb4");
  await connection.batch(
    "INSERT INTO tasks (name, scheduled_time, labels) VALUES (?, '2100-01-01', ?)",
    stored.map((text, index) => [`task ${index}`, text]),
  );
  await undoThrough(url, "0006-lists");
  await migrate(url);
  const found: { name: string; value: string; task: string }[] = await connection.query(
    "SELECT label.name, value, tasks.name AS task FROM task_labels AS label JOIN tasks ON tasks.id = task_id",
  );
  const expected = [...Object.entries(labels).map((label) => [...label, "task 0"]), ["kept", "x", "task 7"]];
  expect(found.map(({ name, value, task }) => [name, value, task]).sort()).toEqual(expected.sort());
});

describe("executions that are there by then are counted", () => {
  const EXECUTIONS = 300_000;
  const FILL = "SET STATEMENT tmp_table_size";

  async function fill(): Promise<string> {
    const url = await createDatabase();
    await migrate(url);
    await connection.query(
      `INSERT INTO executions (task_id, scheduled_time, task_name, trigger_kind, state, start_time, end_time)
         SELECT seq % 7, @at := TIMESTAMP'1969-12-20 00:00:00' + INTERVAL seq * 7919 * 1000 MICROSECOND, 'task', 'SCHEDULE', 1 + seq % 9,
           IF(seq % 11, @at + INTERVAL seq % 977 * 1000 MICROSECOND, NULL),
           IF(seq % 13, @at + INTERVAL seq % 99991 * 1000 MICROSECOND, NULL)
         FROM seq_1_to_${EXECUTIONS}`,
    );
    await undoThrough(url, "0008-summaries");
    return url;
  }

  async function expectCounted(): Promise<void> {
    const { counts, ledger } = await countedExecutions(connection);
    expect(ledger.length).toBeGreaterThan(1_000);
    expect(counts).toEqual(ledger);
  }

  it("whatever the server's zone", async () => {
    await migrate(await fill());
    await expectCounted();
  }, 60_000);

  it("once, though the step was broken off at each of its statements", async () => {
    const url = await fill();
    for (let broken = 0; broken < 4; broken += 1) {
      const migrator = startMigrator(url);
      const watched = await createConnection(server.url);
      await watched.query(`USE ${new URL(url).pathname.slice(1)}`);
      const seen = new Set<string>();
      while (migrator.isRunning() && seen.size <= broken) {
        const found: { text: string }[] = await watched.query(
          "SELECT INFO AS text FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE ?",
          [`${FILL}%`],
        );
        for (const { text } of found) seen.add(text);
      }
      migrator.kill();
      await migrator.ended;
      await watched.end();
    }
    await migrate(url);
    await expectCounted();
  }, 120_000);
});

describe("executions that ended without a run by then", () => {
  /** As the release before wrote them: state, error, and the reason that the error says. */
  const ENDED = [
    ["CANCELLED", "cancelled by a user", "CANCELLED_BY_USER"],
    ["CANCELLED", "withdrawn: the schedule was changed", "SCHEDULE_CHANGED"],
    ["CANCELLED", "withdrawn: the target was changed", "TARGET_CHANGED"],
    ["CANCELLED", "withdrawn: the task calls nothing any more", "TARGET_REMOVED"],
    ["CANCELLED", "withdrawn: the task was paused", "TASK_PAUSED"],
    ["CANCELLED", "withdrawn: the task was deleted", "TASK_DELETED"],
    ["MISSED", "nothing had run it when the schedule was changed", "SCHEDULE_CHANGED"],
    ["MISSED", "nothing had run it when the task was deleted", "TASK_DELETED"],
    ["MISSED", "its scheduler died, and its time had gone by when another could take over", "SCHEDULER_LOST"],
    ["MISSED", "it was handed back, and its time had gone by when another could run it", "TOO_LATE"],
    ["MISSED", "nothing ran it at its time", "NOT_RUN_IN_TIME"],
    ["SUCCEEDED", "ran; too late to be withdrawn: the task was paused", null],
    ["FAILED", "cancelled by a user", null],
    ["RETRYING", "withdrawn: by the target", null],
  ] as const;
  const insert = (rows: readonly (readonly [state: string, error: string])[]) =>
    connection.batch(
      `INSERT INTO executions (task_id, scheduled_time, task_name, trigger_kind, state, fence, error)
         VALUES (?, '2026-01-01', 'task', 'SCHEDULE', ?, 2, ?)`,
      rows.map(([state, error], index) => [index + 1, state, error]),
    );

  it("say by their reason what their error text says", async () => {
    const url = await createDatabase();
    await migrate(url);
    expect(await migrate(url, "down")).toBe("down 0009-end-reasons\n");
    await insert(ENDED.map(([state, error]) => [state, error]));
    await migrate(url);
    const rows = await connection.query("SELECT state, error, end_reason AS reason FROM executions ORDER BY task_id");
    expect(rows).toEqual(ENDED.map(([state, error, reason]) => ({ state, error, reason })));
  });

  it("are told apart by the release before, after the way down", async () => {
    const url = await createDatabase();
    await migrate(url);
    const later: [string, string, string | null][] = [
      ["CANCELLED", "withdrawn: the task was paused", "TASK_PAUSED"],
      ["CANCELLED", "in other words", "TASK_DELETED"],
      ["CANCELLED", "cancelled by a user", "CANCELLED_BY_USER"],
      ["RUNNING", "", "TASK_DELETED"],
      ["RUNNING", "", null],
    ];
    await insert(later.map(([state, error]) => [state, error]));
    for (const [index, [, , reason]] of later.entries()) {
      await connection.query("UPDATE executions SET end_reason = ? WHERE task_id = ?", [reason, index + 1]);
    }
    await migrate(url, "down");
    const rows = await connection.query("SELECT error, fence FROM executions ORDER BY task_id");
    expect(rows.map(({ error, fence }: Record<string, unknown>) => [error, fence])).toEqual([
      ["withdrawn: the task was paused", 2],
      ["withdrawn: in other words", 2],
      ["cancelled by a user", 2],
      ["", 1],
      ["", 2],
    ]);
  });

  it("are of the reasons that the domain knows, in its order", async () => {
    const url = await createDatabase();
    await migrate(url);
    const [column] = await connection.query("SHOW COLUMNS FROM executions LIKE 'end_reason'");
    expect(column["Type"]).toBe(`enum('${END_REASONS.join("','")}')`);
  });
});

it("goes on at the next start when it was killed in the middle", async () => {
  const originals: OriginalRow[] = Array.from({ length: 10_000 }, (_, index) => [
    `task ${index}`,
    utcText(Date.UTC(2020 + (index % 6), index % 12, 1 + (index % 31)) + 36_000_000),
    RECURRENCES[index % RECURRENCES.length]!,
  ]);
  const url = await createOriginal(originals);
  const killedAt: string[] = [];
  for (const statement of [
    "ALTER TABLE tasks",
    "UPDATE tasks",
    "UPDATE tasks",
    "CREATE TABLE IF NOT EXISTS executions",
  ]) {
    const migrator = startMigrator(url);
    const watched = await createConnection(server.url);
    const sees = async () => {
      const found = await watched.query(
        "SELECT 1 FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND LTRIM(INFO) LIKE ?",
        [`${statement}%`],
      );
      return found.length > 0;
    };
    await watched.query(`USE ${new URL(url).pathname.slice(1)}`);
    while (migrator.isRunning()) {
      if (!(await sees())) continue;
      migrator.kill();
      killedAt.push(statement);
      break;
    }
    await watched.end();
    await migrator.ended;
  }
  process.stderr.write(`migrations: killed at ${killedAt.join(", ")}\n`);
  expect(killedAt).toEqual(expect.arrayContaining(["ALTER TABLE tasks", "UPDATE tasks"]));
  await migrate(url);
  expect(await steps()).toEqual(STEPS);
  expectMigrated(await migratedRows(), originals, Date.now());
}, 120_000);

it("an API that may not change the schema waits until somebody else has, and serves then", async () => {
  const url = new URL(await createDatabase());
  const database = url.pathname.slice(1);
  await connection.query("CREATE USER 'restricted'@'%' IDENTIFIED BY 'restricted'");
  await connection.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${database}.* TO 'restricted'@'%'`);
  const admin = url.href;
  url.username = "restricted";
  url.password = "restricted";
  const api = await startApi({ databaseUrl: url.href, env: { MIGRATE_ON_START: "false" } });
  await eventually("it says what is to be done", async () => api.output().includes("the schema is not the newest"));
  expect(await api.isReady()).toBe(false);
  await migrate(admin);
  await api.ready();
  const scheduler = await startScheduler({ apiAddress: api.grpcAddress });
  const client = createTaskClient(api.grpcAddress);
  const { id } = await client.create({ name: "soon", scheduledTimeMs: Date.now() + 100 });
  await eventually("it has run", async () => (await client.runs(id))[0]?.state === "SUCCEEDED");
  client.close();
  expect(await scheduler.stop()).toBe(0);
  expect(await api.stop()).toBe(0);
});
