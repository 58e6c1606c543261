import {
  type Execution,
  ExecutionState,
  ExecutionTrigger,
  Recurrence,
  type Task,
  TaskState,
  type WatchExecutionsResponse,
  type WatchTasksResponse,
} from "@taskscheduler/proto";
import type { Connection } from "mariadb";
import { eventually } from "../setup/eventually.js";
import { metricOf } from "../setup/metrics.js";
import { startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient } from "../setup/task-client.js";
import { connectTo } from "../setup/test-database.js";
import { type ApiFixture, at, faultOf, startApiFixture, type Watch, walkPages } from "./api-fixture.js";

/** Rows that somebody wrote past the API: they are shown as far as they can be read, and hurt no other row. */

jest.setTimeout(120_000);

const scheduledTime = at("2100-01-31T09:30:00Z");

let fixture: ApiFixture;
/** A session of somebody who lets the database store anything. */
let careless: Connection;

beforeAll(async () => {
  fixture = await startApiFixture();
  careless = await connectTo(fixture.database.url, { bigIntAsNumber: true, insertIdAsNumber: true });
  await careless.query("SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'");
});
afterAll(async () => {
  await careless?.end();
  await fixture?.stop();
});

/** The API's log lines about a damaged row, from a place in its output on. */
const loggedSince = (from: number, table: string, key: string, column: string) => {
  const line = `"table":"${table}","key":"${key}","columns":\\[[^\\]]*"${column}"[^\\]]*\\],"msg":"a row is damaged`;
  return new RegExp(line).test(fixture.api.output().slice(from));
};

type TaskDamage = readonly [column: string, value: string, shown: Partial<Record<keyof Task, unknown>>];

const NO_DATES = ["'0000-00-00'", "'2026-00-15 10:00:00'", "'2026-02-31 10:00:00'", "'0000-05-05 10:00:00'"];

/** Damage that the columns allow as they are. */
const TASK_DAMAGES: readonly TaskDamage[] = [
  ["recurrence", "''", { recurrence: Recurrence.UNSPECIFIED }],
  ...NO_DATES.map((value): TaskDamage => ["scheduled_time", value, { scheduledTime: undefined }]),
  ["time_zone", "'Mars/Olympus'", { timeZone: "Mars/Olympus" }],
  ["time_zone", "''", { timeZone: "" }],
  ...["'{'", "''", "'[]'", `'{"k":1}'`].map((value): TaskDamage => ["labels", value, { labels: {} }]),
  ...["'{'", "'[]'", `'{"url":7}'`, `'{"url":"https://a.example","headers":{"a":1}}'`].map(
    (value): TaskDamage => ["webhook", value, { webhook: expect.objectContaining({ url: "" }) }],
  ),
  ["retry_policy", "'{'", { retryPolicy: undefined }],
  ["retry_policy", `'{"maxAttempts":-1,"retryStatuses":[]}'`, { retryPolicy: undefined }],
  ["state", "''", { state: TaskState.UNSPECIFIED, nextRunTime: undefined }],
  ...NO_DATES.map((value): TaskDamage => ["next_run_time", value, { nextRunTime: undefined }]),
  ...NO_DATES.map((value): TaskDamage => ["create_time", value, { createTime: undefined }]),
  ["armed_time", "'0000-00-00'", {}],
  ["last_run_time", "'0000-00-00'", {}],
  ["update_time", "'0000-00-00'", { updateTime: undefined }],
  ["run_count", "4294967295", { runCount: 0 }],
  ["version", "4294967295", { etag: expect.stringMatching(/-0$/) }],
];

/** Damage that needs a changed column. */
const LOOSE_TASKS = `ALTER TABLE tasks
  MODIFY name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NULL, MODIFY scheduled_time DATETIME(3) NULL,
  MODIFY recurrence VARCHAR(20), MODIFY time_zone VARCHAR(64) NULL, MODIFY description VARCHAR(4096) NULL,
  MODIFY labels LONGTEXT NULL, MODIFY state VARCHAR(16) NULL, MODIFY pause_reason VARCHAR(1024) NULL,
  MODIFY armed_time DATETIME(3) NULL, MODIFY run_count BIGINT NULL, MODIFY version BIGINT NULL,
  MODIFY create_time DATETIME(3) NULL, MODIFY update_time DATETIME(3) NULL, MODIFY webhook MEDIUMTEXT NULL,
  MODIFY retry_policy VARCHAR(1024) NULL, MODIFY timeout_ms BIGINT NULL`;
const LOOSE_TASK_DAMAGES: readonly TaskDamage[] = [
  ["name", "NULL", { name: "" }],
  ["scheduled_time", "NULL", { scheduledTime: undefined }],
  ["recurrence", "'HOURLY'", { recurrence: Recurrence.UNSPECIFIED }],
  ["time_zone", "NULL", { timeZone: "" }],
  ["description", "NULL", { description: "" }],
  ["labels", "NULL", { labels: {} }],
  ["state", "NULL", { state: TaskState.UNSPECIFIED, nextRunTime: undefined }],
  ["state", "'BROKEN'", { state: TaskState.UNSPECIFIED, nextRunTime: undefined }],
  ["pause_reason", "NULL", { pauseReason: "" }],
  ["armed_time", "NULL", {}],
  ["run_count", "NULL", { runCount: 0 }],
  ["run_count", "-5", { runCount: 0 }],
  ["run_count", "9000000000000000", { runCount: 0 }],
  ["version", "-1", { etag: expect.stringMatching(/-0$/) }],
  ["create_time", "NULL", { createTime: undefined }],
  ["update_time", "NULL", { updateTime: undefined }],
  ["webhook", "NULL", { webhook: undefined }],
  ["retry_policy", "NULL", { retryPolicy: undefined }],
  ["timeout_ms", "-1", {}],
  ["timeout_ms", "NULL", {}],
];

const ORDERED = ["name", "next_run_time", "create_time"];
/** The orders that a damaged column may be in the way of, and some others. */
const ordersWith = (column: string) =>
  ORDERED.includes(column) ? ["id", column, `${column} desc`] : ["id", "name desc", "next_run_time"];

describe("a task", () => {
  let victim: Task;
  let good: Task[];
  let watch: Watch<WatchTasksResponse>;

  beforeAll(async () => {
    const created = [];
    for (const name of ["first", "victim", "second", "third"]) {
      const labels = { of: name };
      const task = {
        name,
        scheduledTime,
        labels,
        description: name,
        recurrence: Recurrence.DAILY,
        timeZone: "Asia/Tokyo",
      };
      created.push((await fixture.client.call("createTask", { task })).task!);
    }
    victim = created[1]!;
    good = created.filter((task) => task !== victim);
    await careless.query("CREATE TABLE whole_tasks AS SELECT * FROM tasks");
    watch = fixture.client.watch("watchTasks");
  });
  afterAll(async () => {
    watch?.cancel();
    await careless.query("DROP TABLE whole_tasks");
  });

  async function restore(column: string): Promise<void> {
    await careless.query(
      `UPDATE tasks JOIN whole_tasks USING (id) SET tasks.${column} = whole_tasks.${column} WHERE id = ?`,
      [victim.id],
    );
  }

  async function readAll(expected: Task, column: string): Promise<void> {
    const { client } = fixture;
    expect((await client.call("getTask", { id: victim.id })).task).toEqual(expected);
    for (const orderBy of ordersWith(column)) {
      const walked = await walkPages(async (pageToken) => {
        const page = await client.call("listTasks", { orderBy, pageSize: 1, pageToken, countTotal: true });
        return { items: page.tasks, nextPageToken: page.nextPageToken };
      });
      for (const task of good) expect([orderBy, walked.filter(({ id }) => id === task.id)]).toEqual([orderBy, [task]]);
      const shown = walked.filter(({ id }) => id === victim.id);
      // By its state or its time it may be in no index that the list is read from.
      if (shown.length > 0 || orderBy === "id") expect([orderBy, shown]).toEqual([orderBy, [expected]]);
    }
    const rest = (await (await fetch(`${fixture.api.httpUrl}/api/tasks/`)).json()) as { id: number }[];
    expect(rest.map(({ id }) => id)).toEqual([...good, victim].map(({ id }) => id).sort((a, b) => a - b));
    const snapshot = client.watch("watchTasks");
    const events = await snapshot.until("the snapshot", (all) =>
      all.at(-1)?.event.case === "snapshotComplete" ? all : undefined,
    );
    snapshot.cancel();
    expect(events.flatMap(({ event }) => (event.case === "snapshot" ? [event.value] : []))).toEqual(
      expect.arrayContaining([expected, ...good]),
    );
  }

  async function judge(damages: readonly TaskDamage[]): Promise<void> {
    for (const [column, value, shown] of damages) {
      const from = fixture.api.output().length;
      await careless.query(`UPDATE tasks SET ${column} = ${value} WHERE id = ?`, [victim.id]);
      try {
        await readAll({ ...victim, ...shown } as Task, column);
        // The damage of a row is logged once a minute.
        if (!logged.has(column))
          expect([column, loggedSince(from, "tasks", String(victim.id), column)]).toEqual([column, true]);
        logged.add(column);
      } catch (error) {
        throw new Error(`${column} = ${value}: ${(error as Error).message}`, { cause: error });
      } finally {
        await restore(column);
      }
    }
  }
  const logged = new Set<string>();

  it("that is damaged in one column is shown without, by every read, and the others are as they were", async () => {
    await judge(TASK_DAMAGES);
    expect(await metricOf(fixture.api, 'taskscheduler_api_damaged_rows_total{table="tasks"}')).toBeGreaterThan(100);
  });

  it("keeps the damage until an update sets the column, which mends it", async () => {
    const { client } = fixture;
    const rawOf = async (column: string) => {
      const [row]: Record<string, unknown>[] = await careless.query(
        `SELECT CAST(${column} AS CHAR) AS raw FROM tasks WHERE id = ?`,
        [victim.id],
      );
      return row!["raw"];
    };
    const whole = { scheduledTime, recurrence: Recurrence.WEEKLY, timeZone: "UTC", labels: { a: "b" } };
    const webhook = { url: "https://a.example", method: "POST", contentMode: 1 };
    const mends: readonly (readonly [column: string, value: string, update: object, raw: unknown])[] = [
      ["recurrence", "''", { recurrence: whole.recurrence }, "WEEKLY"],
      ["scheduled_time", "'0000-00-00'", { scheduledTime }, "2100-01-31 09:30:00.000"],
      ["time_zone", "'Mars/Olympus'", { timeZone: whole.timeZone }, "UTC"],
      ["labels", "'{'", { labels: whole.labels }, '{"a":"b"}'],
      ["webhook", "'{'", { webhook }, expect.stringContaining("https://a.example")],
      ["retry_policy", "'{'", { retryPolicy: { maxAttempts: 3 } }, expect.stringContaining('"maxAttempts":3')],
    ];
    for (const [column, value, update, mended] of mends) {
      await careless.query(`UPDATE tasks SET ${column} = ${value} WHERE id = ?`, [victim.id]);
      const damaged = await rawOf(column);
      const description = `beside a damaged ${column}`;
      const { task: other } = await client.call("updateTask", { task: { id: victim.id, description } });
      expect([column, other!.description, await rawOf(column)]).toEqual([column, description, damaged]);
      const { task } = await client.call("updateTask", { task: { id: victim.id, ...update } });
      expect([column, await rawOf(column)]).toEqual([column, mended]);
      expect(task).toMatchObject({ state: TaskState.ACTIVE, nextRunTime: expect.anything(), ...update });
      expect((await client.call("getTask", { id: victim.id })).task).toEqual(task);
    }
  });

  it("whose schedule is damaged can be run, paused, resumed and deleted, and a part of it is mended with the rest", async () => {
    const { client } = fixture;
    const { task } = await client.call("createTask", { task: { name: "mended", scheduledTime } });
    const id = task!.id;
    await careless.query("UPDATE tasks SET time_zone = 'Mars/Olympus', scheduled_time = '0000-00-00' WHERE id = ?", [
      id,
    ]);
    expect((await client.call("runTask", { id })).execution).toMatchObject({ state: ExecutionState.PENDING });
    expect(await faultOf(client.call("updateTask", { task: { id, recurrence: Recurrence.DAILY } }))).toMatchObject({
      ...{ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields: ["task.scheduled_time", "task.time_zone"] },
    });
    await careless.query("UPDATE tasks SET state = '' WHERE id = ?", [id]);
    expect((await client.call("pauseTask", { id })).task).toMatchObject({ state: TaskState.PAUSED });
    await careless.query("UPDATE tasks SET state = '' WHERE id = ?", [id]);
    expect((await client.call("resumeTask", { id })).task).toMatchObject({ state: TaskState.ACTIVE });
    const update = { id, recurrence: Recurrence.DAILY, timeZone: "UTC", scheduledTime };
    expect((await client.call("updateTask", { task: update })).task).toMatchObject({
      ...update,
      nextRunTime: scheduledTime,
    });
    await careless.query(
      "UPDATE tasks SET recurrence = '', next_run_time = UTC_TIMESTAMP() - INTERVAL 1 MINUTE WHERE id = ?",
      [id],
    );
    await client.call("deleteTask", { id });
    const { executions } = await client.call("listExecutions", { taskId: id });
    expect(executions.map(({ state }) => state)).toContain(ExecutionState.MISSED);
  });

  it("without an id that the API can name is left out of everything", async () => {
    const { client } = fixture;
    await careless.query(
      "INSERT INTO tasks (id, name, scheduled_time, next_run_time) VALUES (0, 'zero', '2100-01-01', NOW()), (-7, 'minus', '2100-01-01', NOW())",
    );
    const listed = await walkPages(async (pageToken) => {
      const page = await client.call("listTasks", { pageSize: 100, pageToken });
      return { items: page.tasks, nextPageToken: page.nextPageToken };
    });
    expect(listed.map(({ id }) => id)).toEqual([...good, victim].map(({ id }) => id).sort((a, b) => a - b));
    for (const skip of [0, 1]) {
      const response = await fetch(`${fixture.api.httpUrl}/api/tasks/?skip=${skip}&limit=10`);
      expect(response.status).toBe(200);
    }
    // Both come before the others.
    const pages: Task[][] = [];
    for (let pageToken = "", more = true; more; more = pageToken !== "") {
      const page = await client.call("listTasks", { pageSize: 1, pageToken });
      pages.push(page.tasks);
      pageToken = page.nextPageToken;
    }
    expect(pages.flat().map(({ id }) => id)).toEqual(listed.map(({ id }) => id));
    await careless.query("DELETE FROM tasks WHERE id <= 0");
  });

  it("is shown as far as it can be read where its columns were changed", async () => {
    await careless.query("DROP TABLE whole_tasks");
    victim = (await fixture.client.call("getTask", { id: victim.id })).task!;
    await careless.query("CREATE TABLE whole_tasks AS SELECT * FROM tasks");
    await careless.query(LOOSE_TASKS);
    await judge(LOOSE_TASK_DAMAGES);
  });

  it("hid no change of another one from its watchers", async () => {
    const { task } = await fixture.client.call("createTask", { task: { name: "after all", scheduledTime } });
    await watch.until("the change", (events) =>
      events.some(({ event }) => event.case === "upserted" && event.value.id === task!.id),
    );
  });

  it("is no defect", () => {
    expect(fixture.api.output()).not.toMatch(/internal error|nobody caught|"level":"(error|fatal)"/);
  });
});

type ExecutionDamage = readonly [column: string, value: string, shown: Partial<Record<keyof Execution, unknown>>];

const ATTEMPT = {
  attempt: 1,
  schedulerId: "a",
  startTimeMs: 0,
  endTimeMs: 1,
  state: "FAILED",
  error: "e",
  httpStatus: 0,
};
const attemptsOf = (...attempts: unknown[]) => `'${JSON.stringify(attempts)}'`;
const SHOWN_ATTEMPT = expect.objectContaining({ attempt: 1, error: "e", state: ExecutionState.FAILED });

const EXECUTION_DAMAGES: readonly ExecutionDamage[] = [
  ["state", "''", { state: ExecutionState.UNSPECIFIED, attempts: expect.anything() }],
  ["trigger_kind", "''", { trigger: ExecutionTrigger.UNSPECIFIED }],
  ...["'0000-00-00'", "'2026-02-31 10:00:00'"].flatMap((value): ExecutionDamage[] => [
    ["claim_time", value, { claimTime: undefined }],
    ["start_time", value, { startTime: undefined, lateness: undefined, attempts: expect.anything() }],
    ["end_time", value, { endTime: undefined, attempts: expect.anything() }],
    ["missed_until", value, { missedUntil: undefined }],
    ["retry_time", value, { retryTime: undefined }],
  ]),
  ...["'{'", "'7'", "'null'"].map((value): ExecutionDamage => ["attempts", value, { attempts: [] }]),
  ["attempts", attemptsOf(7, ATTEMPT, { ...ATTEMPT, attempt: "x" }, null), { attempts: [SHOWN_ATTEMPT] }],
  [
    "attempts",
    attemptsOf(ATTEMPT, { ...ATTEMPT, state: "LOST" }, { ...ATTEMPT, startTimeMs: 1e18 }),
    { attempts: [SHOWN_ATTEMPT] },
  ],
  ["fence", "4294967295", {}],
  ["attempt", "4294967295", { attempt: 0, attempts: expect.anything() }],
  ["failures", "65535", {}],
];

describe("an execution", () => {
  const taskId = 100_000;
  const timeOf = (index: number) => `2025-06-0${index} 10:00:00.000`;
  const columns = `task_id, scheduled_time, task_name, trigger_kind, state, attempt, fence, scheduler_id, claim_time,
    start_time, end_time, error, http_status, missed_count, missed_until, failures, retry_time, attempts`;
  const rowOf = (state: string, index: number) =>
    `(${taskId}, '${timeOf(index)}', 'of old', 'SCHEDULE', '${state}', 1, 1, 'a', '${timeOf(index)}', '${timeOf(index)}',
      '${timeOf(index)}', '', 200, 1, '${timeOf(index)}', 0, '${timeOf(index)}', '')`;
  let victims: Execution[];
  let good: Execution[];

  beforeAll(async () => {
    const rows = [1, 2, 3, 4, 5].map((index) => rowOf(index === 3 || index === 4 ? "PENDING" : "SUCCEEDED", index));
    await careless.query(`INSERT INTO executions (${columns}) VALUES ${rows.join(",")}`);
    const { executions } = await fixture.client.call("listExecutions", { taskId });
    victims = [executions[1]!, executions[2]!];
    good = executions.filter((execution) => !victims.includes(execution));
    await careless.query("CREATE TABLE whole_executions AS SELECT * FROM executions");
  });

  async function readAll(victim: Execution, expected: Execution): Promise<void> {
    const { client } = fixture;
    expect((await client.call("getExecution", { id: victim.id })).execution).toEqual(expected);
    const requests = [
      { orderBy: "id", taskId },
      { orderBy: "id desc" },
      { orderBy: "scheduled_time" },
      { orderBy: "scheduled_time desc", taskId },
    ];
    // An ended execution is in lists alone. A waiting one is in the snapshot, too.
    for (const request of requests.slice(0, victim === victims[0] ? undefined : 1)) {
      const walked = await walkPages(async (pageToken) => {
        const page = await client.call("listExecutions", { ...request, pageSize: 1, pageToken });
        return { items: page.executions, nextPageToken: page.nextPageToken };
      });
      for (const each of good) expect(walked.filter(({ id }) => id === each.id)).toEqual([each]);
      const shown = walked.filter(({ id }) => id === victim.id);
      if (shown.length > 0 || request.orderBy === "id") expect(shown).toEqual([expected]);
    }
    const [scheduledAfter, scheduledBefore] = [at("2025-06-01T00:00:00Z"), at("2025-06-08T00:00:00Z")];
    await client.call("summarizeExecutions", { taskId, scheduledAfter, scheduledBefore });
    const snapshot: Watch<WatchExecutionsResponse> = client.watch("watchExecutions", { taskId });
    const events = await snapshot.until("the snapshot", (all) =>
      all.at(-1)?.event.case === "snapshotComplete" ? all : undefined,
    );
    snapshot.cancel();
    const seen = events.flatMap(({ event }) => (event.case === "snapshot" ? [event.value] : []));
    expect(seen).toEqual(expect.arrayContaining(good.filter(({ state }) => state === ExecutionState.PENDING)));
  }

  it("that is damaged in one column is shown without, by every read, and the others are as they were", async () => {
    const logged = new Set<string>();
    for (const victim of victims) {
      const ms = Number(victim.scheduledTime!.seconds) * 1000;
      const where = `task_id = ${taskId} AND scheduled_time = FROM_UNIXTIME(${ms} / 1000)`;
      await careless.query("SET time_zone = '+00:00'");
      for (const [column, value, shown] of EXECUTION_DAMAGES) {
        const from = fixture.api.output().length;
        await careless.query(`UPDATE executions SET ${column} = ${value} WHERE ${where}`);
        try {
          await readAll(victim, { ...victim, ...shown } as Execution);
          if (!logged.has(`${victim.id} ${column}`)) {
            expect([column, loggedSince(from, "executions", victim.id, column)]).toEqual([column, true]);
          }
          logged.add(`${victim.id} ${column}`);
        } catch (error) {
          throw new Error(`${column} = ${value}: ${(error as Error).message}`, { cause: error });
        } finally {
          await careless.query(
            `UPDATE executions JOIN whole_executions USING (task_id, scheduled_time)
               SET executions.${column} = whole_executions.${column} WHERE ${where}`,
          );
        }
      }
    }
    expect(await metricOf(fixture.api, 'taskscheduler_api_damaged_rows_total{table="executions"}')).toBeGreaterThan(
      100,
    );
  });

  it("without a key that the API can name is left out of everything", async () => {
    const { client } = fixture;
    const keys = [`(${taskId}, '0000-00-00')`, `(${taskId}, '2026-02-31')`, "(-7, '2025-01-01')", "(0, '2025-01-01')"];
    for (const state of ["SUCCEEDED", "PENDING", "FAILED"]) {
      const rows = keys.map((key) => key.replace(")", `, 'unnamed', 'SCHEDULE', '${state}')`));
      await careless.query(
        `INSERT INTO executions (task_id, scheduled_time, task_name, trigger_kind, state) VALUES ${rows.join(",")}`,
      );
      for (const orderBy of ["id", "id desc", "scheduled_time", "scheduled_time desc"]) {
        const shown: Execution[] = [];
        for (let pageToken = "", more = true; more; more = pageToken !== "") {
          const page = await client.call("listExecutions", { orderBy, pageSize: 1, pageToken });
          shown.push(...page.executions);
          pageToken = page.nextPageToken;
        }
        const ofTask = shown.filter((execution) => execution.taskId === taskId).map(({ id }) => id);
        expect(ofTask.sort()).toEqual([...good, ...victims].map(({ id }) => id).sort());
      }
      await client.call("retryExecution", { filter: {} });
      const snapshot = client.watch("watchExecutions");
      await snapshot.until("the snapshot", (all) => all.at(-1)?.event.case === "snapshotComplete");
      snapshot.cancel();
      await careless.query("DELETE FROM executions WHERE task_name = 'unnamed'");
    }
  });

  it("is no defect", () => {
    expect(fixture.api.output()).not.toMatch(/internal error|nobody caught|"level":"(error|fatal)"/);
  });
});

it("damaged tasks and executions that are due keep no other from running", async () => {
  const client = createTaskClient(fixture.api.grpcAddress);
  await careless.query("DELETE FROM tasks");
  await careless.query("DELETE FROM executions");
  const scheduledTimeMs = Date.now() + 3_000;
  const create = async (name: string) => {
    const { id } = await client.create({ name, scheduledTimeMs, recurrence: "DAILY", timeZone: "Asia/Tokyo" });
    // It has run once before, so that its row and its execution are looked at together.
    await careless.query("UPDATE tasks SET last_run_time = '2025-01-01' WHERE id = ?", [id]);
    return id;
  };
  for (const [index, [column, value]] of [...TASK_DAMAGES, ...LOOSE_TASK_DAMAGES].entries()) {
    const id = await create(`damaged ${index}`);
    await careless.query(`UPDATE tasks SET ${column} = ${value} WHERE id = ?`, [id]);
  }
  const ids = await Promise.all(Array.from({ length: 10 }, (_, index) => create(`whole ${index}`)));
  // Rows that a dead scheduler left behind.
  const left = ["PENDING", "CLAIMED", "RUNNING", "RETRYING"];
  for (const [index, [column, value]] of EXECUTION_DAMAGES.entries()) {
    for (const [minute, state] of left.entries()) {
      const key = `${ids[0]}, UTC_TIMESTAMP() - INTERVAL ${10 * index + minute + 1} MINUTE`;
      await careless.query(
        `INSERT INTO executions (task_id, scheduled_time, task_name, trigger_kind, state, incarnation)
           VALUES (${key}, 'damaged', 'MANUAL', '${state}', 77)`,
      );
      await careless.query(
        `UPDATE executions SET ${column} = ${value} WHERE task_name = 'damaged' ORDER BY scheduled_time LIMIT 1`,
      );
    }
  }
  await careless.query(
    `INSERT INTO retries SELECT task_id, scheduled_time, UTC_TIMESTAMP(3) FROM executions WHERE state = 'RETRYING'`,
  );
  await careless.query(
    "INSERT INTO retries VALUES (1, '0000-00-00', UTC_TIMESTAMP(3)), (-1, '2025-01-01', '0000-00-00')",
  );
  await careless.query(
    "INSERT INTO schedulers (scheduler_id, state, register_time, beat) VALUES ('x', '', '0000-00-00', 18446744073709551615)",
  );
  const { execution } = await fixture.client.call("runTask", { id: ids[1]! });
  const scheduler = await startScheduler({ apiAddress: fixture.api.grpcAddress });
  await scheduler.ready();
  for (const id of ids) {
    await eventually(`task ${id} has run`, async () =>
      (await client.runs(id)).some((run) => run.state === "SUCCEEDED" && run.scheduledTimeMs === scheduledTimeMs),
    );
  }
  const ran = await fixture.client.call("getExecution", { id: execution!.id });
  expect(ran.execution?.state).toBe(ExecutionState.SUCCEEDED);
  expect(fixture.api.output()).not.toMatch(/internal error|nobody caught/);
  expect(scheduler.output()).not.toMatch(/"level":"(error|fatal)"/);
  expect(await scheduler.stop()).toBe(0);
  client.close();
});

it("damaged executions keep retention from removing no other", async () => {
  await careless.query("DELETE FROM executions");
  const old = [
    "(1, '2020-01-01')",
    "(2, '0000-00-00')",
    "(3, '2020-02-31')",
    "(-4, '2020-01-01')",
    "(5, '2020-01-02')",
  ];
  const rows = old.map((key) => key.replace(")", ", 'old', 'SCHEDULE', 'SUCCEEDED', '2020-01-01')"));
  await careless.query(
    `INSERT INTO executions (task_id, scheduled_time, task_name, trigger_kind, state, end_time) VALUES ${rows.join(",")}`,
  );
  const purging = await startApi({ databaseUrl: fixture.database.url, env: { EXECUTION_RETENTION_MS: "60000" } });
  await eventually("the whole ones are gone", async () => {
    const [row]: { n: number }[] = await careless.query("SELECT COUNT(*) AS n FROM executions WHERE task_id IN (1, 5)");
    return row!.n === 0;
  });
  expect(purging.output()).not.toMatch(/a purge failed/);
  expect(await purging.stop()).toBe(0);
});

it("damaged counts are left out of a summary, and hold up no write", async () => {
  const { client } = fixture;
  const slot = Math.floor(Date.now() / 300_000);
  await careless.query(
    `INSERT INTO execution_stats (minutes, slot, kind, bin, count) VALUES (5, ?, '', 1, 3), (5, ?, 'LATENESS', 60000, 3)`,
    [slot, slot],
  );
  await careless.query(
    `INSERT INTO execution_stats (minutes, slot, kind, bin, count) SELECT minutes, ?, 'STATE', 1, 2147483647
       FROM (SELECT 5 AS minutes UNION SELECT 60) AS each_size ON DUPLICATE KEY UPDATE count = 2147483647`,
    [slot],
  );
  const nowMs = Date.now();
  const timeOf = (ms: number) => at(new Date(ms).toISOString());
  const summary = await client.call("summarizeExecutions", {
    ...{ scheduledAfter: timeOf(nowMs - 3_600_000), scheduledBefore: timeOf(nowMs + 600_000) },
  });
  expect(summary.counts.length).toBeGreaterThan(0);
  const { task } = await client.call("createTask", { task: { name: "counted", scheduledTime } });
  await client.call("runTask", { id: task!.id });
});

it("a damaged segment of the change log ends the watches that have not read it, and later changes are told", async () => {
  const { client } = fixture;
  const [position]: { revision: number }[] = await careless.query("SELECT revision FROM change_counter");
  const watch = client.watch("watchTasks");
  await watch.until("the snapshot", (all) => all.at(-1)?.event.case === "snapshotComplete");
  // As if another process had written it.
  await careless.query("BEGIN");
  await careless.query("UPDATE change_counter SET revision = revision + 1");
  await careless.query("INSERT INTO changes VALUES (?, ?, 'TASK', UTC_TIMESTAMP(3), X'FFFFFF')", [
    position!.revision + 1,
    position!.revision + 1,
  ]);
  await careless.query("COMMIT");
  expect(await watch.ended).toMatchObject({ code: "OUT_OF_RANGE", reason: "RESUME_TOKEN_EXPIRED" });
  const next = client.watch("watchTasks");
  await next.until("the snapshot", (all) => all.at(-1)?.event.case === "snapshotComplete");
  const { task } = await client.call("createTask", { task: { name: "after the damage", scheduledTime } });
  await next.until("the change", (all) =>
    all.some(({ event }) => event.case === "upserted" && event.value.id === task!.id),
  );
  next.cancel();
  expect(await fixture.api.isReady()).toBe(true);
});
