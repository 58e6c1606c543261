import { parseTimeZone, RECURRENCES, TASK_STATES, type Webhook } from "@taskscheduler/domain";
import {
  counterColumn,
  enumColumn,
  idColumn,
  instantColumn,
  nullableEnumColumn,
  nullableInstantColumn,
  parsedColumn,
  textColumn,
  uint32Column,
} from "../database/column-readers.js";
import { createRowShape, type RowReaders, shapeOf } from "../database/columns.js";
import type { SqlConnection } from "../database/database.js";
import { toDatetime, toNullableDatetime } from "../database/instants.js";
import { select, selectRows, uncast } from "../database/select.js";
import { type Sql, sql } from "../database/sql.js";
import { plain, type Statement } from "../database/statements.js";
import { TaskModel } from "../database/task-model.js";
import { DAMAGED_WEBHOOK, formatTarget, parseRetryPolicy, parseWebhook } from "../targets/stored-target.js";
import type { MovedTask, TaskCursor, TaskRow } from "./task-row.js";

const NO_LABELS: TaskRow["labels"] = Object.freeze({});

const TASK_READERS: RowReaders<TaskRow> = {
  id: idColumn,
  name: textColumn,
  scheduledTimeMs: instantColumn,
  recurrence: nullableEnumColumn(RECURRENCES),
  // A zone that this Node.js does not know is shown as it stands.
  timeZone: { read: (value) => (isTimeZone(value) ? value : undefined), instead: readText },
  description: textColumn,
  labels: parsedColumn(parseLabels, NO_LABELS),
  // No reminder, which would count as run, unless there is nothing at all.
  webhook: { ...parsedColumn(parseWebhook, null), instead: (value) => (value === null ? null : DAMAGED_WEBHOOK) },
  retryPolicy: parsedColumn(parseRetryPolicy, null),
  timeoutMs: uint32Column,
  // Nothing runs in a state that nobody knows.
  state: enumColumn(TASK_STATES, "PAUSED"),
  pauseReason: textColumn,
  nextRunTimeMs: nullableInstantColumn,
  armedTimeMs: instantColumn,
  runCount: counterColumn,
  lastRunTimeMs: nullableInstantColumn,
  version: counterColumn,
  createTimeMs: instantColumn,
  updateTimeMs: instantColumn,
};

export const TASK_SHAPE = shapeOf<TaskRow>(TaskModel, "tasks", ["id"], TASK_READERS);

function readText(value: unknown): string {
  return textColumn.read(value) ?? textColumn.instead(value);
}

function isTimeZone(value: unknown): value is string {
  return typeof value === "string" && parseTimeZone(value) !== undefined;
}

function parseLabels(text: string): TaskRow["labels"] | undefined {
  if (text === "{}") return NO_LABELS;
  try {
    const labels: unknown = JSON.parse(text);
    return isLabels(labels) ? labels : undefined;
  } catch {
    return undefined;
  }
}

function isLabels(value: unknown): value is TaskRow["labels"] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((label) => typeof label === "string");
}

async function readTasks(connection: SqlConnection, statement: Sql): Promise<TaskRow[]> {
  return selectRows<TaskRow>(connection, TASK_SHAPE, statement);
}

/** Locks and reads tasks, in the order of their ids, so that no two transactions wait for each other. */
export async function lockTasks(connection: SqlConnection, ids: readonly number[]): Promise<TaskRow[]> {
  if (ids.length === 0) return [];
  return readTasks(connection, sql`SELECT ${TASK_SHAPE.select} FROM tasks WHERE id IN (${ids}) ORDER BY id FOR UPDATE`);
}

const CURSOR_ATTRIBUTES: ReadonlySet<string> = new Set<keyof TaskCursor>([
  "id",
  "name",
  "scheduledTimeMs",
  "recurrence",
  "timeZone",
  "state",
  "nextRunTimeMs",
  "armedTimeMs",
  "runCount",
  "lastRunTimeMs",
  "retryPolicy",
  "timeoutMs",
]);
const CURSOR_SHAPE = createRowShape(
  "tasks",
  ["id"],
  [
    ...TASK_SHAPE.columns.filter(({ attribute }) => CURSOR_ATTRIBUTES.has(attribute)),
    { attribute: "webhookBytes", field: "webhook", expression: "LENGTH(webhook)", reader: uint32Column },
  ],
);

/** The same, of tasks that are to be moved alone. */
export async function lockCursors(connection: SqlConnection, ids: readonly number[]): Promise<TaskCursor[]> {
  if (ids.length === 0) return [];
  return readCursors(
    connection,
    sql`SELECT ${CURSOR_SHAPE.select} FROM tasks WHERE id IN (${ids}) ORDER BY id FOR UPDATE`,
  );
}

export async function findCursors(
  connection: SqlConnection,
  ids: readonly number[],
): Promise<ReadonlyMap<number, TaskCursor>> {
  if (ids.length === 0) return new Map();
  const rows = await readCursors(connection, sql`SELECT ${CURSOR_SHAPE.select} FROM tasks WHERE id IN (${ids})`);
  return new Map(rows.map((row) => [row.id, row]));
}

async function readCursors(connection: SqlConnection, statement: Sql): Promise<TaskCursor[]> {
  return selectRows<TaskCursor>(connection, CURSOR_SHAPE, statement);
}

/** Reads what tasks call; of those that are reminders there is none. */
export async function findWebhooks(connection: SqlConnection, ids: readonly number[]): Promise<Map<number, Webhook>> {
  if (ids.length === 0) return new Map();
  const statement = sql`SELECT id, webhook FROM tasks WHERE id IN (${ids}) AND webhook <> ''`;
  const rows = await select<{ id: number; webhook: string }>(connection, statement);
  return new Map(rows.map(({ id, webhook }) => [id, parseWebhook(webhook) ?? DAMAGED_WEBHOOK]));
}

/** Locks tasks that are read in two ways, all of them in the order of their ids. */
export async function lockAll(connection: SqlConnection, ids: readonly number[]): Promise<void> {
  await select(connection, sql`SELECT id FROM tasks WHERE id IN (${ids}) ORDER BY id FOR UPDATE`);
}

/** Reads tasks as they stand. */
export async function findTasks(connection: SqlConnection, ids: readonly number[]): Promise<TaskRow[]> {
  return readTasks(connection, sql`SELECT ${TASK_SHAPE.select} FROM tasks WHERE id IN (${ids})`);
}

/** Which of these names are taken, and by which task. */
export async function findNames(connection: SqlConnection, names: readonly string[]): Promise<Map<string, number>> {
  if (names.length === 0) return new Map();
  const rows: { id: number; name: string }[] = await connection.query("SELECT id, name FROM tasks WHERE name IN (?)", [
    names,
  ]);
  return new Map(rows.map((row) => [row.name, row.id]));
}

/** Inserts tasks, whose `id` is ignored, and answers their ids by name. */
export async function insertTasks(connection: SqlConnection, rows: readonly TaskRow[]): Promise<Map<string, number>> {
  const ids = new Map<string, number>();
  // Reminders have the columns' defaults: their statement is a fifth shorter.
  for (const part of [rows.filter(isReminder), rows.filter((row) => !isReminder(row))]) {
    const [first] = part;
    if (first === undefined) continue;
    const columns = isReminder(first) ? PLAIN_COLUMNS : [...PLAIN_COLUMNS, ...TARGET_COLUMNS];
    const placeholders = `(${columns.map(() => "?").join(",")})`;
    const values: unknown[] = [];
    for (const row of part) {
      values.push(row.name, toDatetime(row.scheduledTimeMs), row.recurrence, row.timeZone, row.description);
      values.push(JSON.stringify(row.labels), row.state, row.pauseReason, toNullableDatetime(row.nextRunTimeMs));
      values.push(toDatetime(row.armedTimeMs), row.version, toDatetime(row.createTimeMs), toDatetime(row.updateTimeMs));
      if (!isReminder(row)) values.push(...targetValues(row));
    }
    const insert = `INSERT INTO tasks (${columns.join(", ")})
       VALUES ${placeholders}${`,${placeholders}`.repeat(part.length - 1)} RETURNING id, name`;
    const inserted: { id: number; name: string }[] = await connection.query(uncast(insert), values);
    for (const row of inserted) ids.set(row.name, row.id);
  }
  return ids;
}

const PLAIN_COLUMNS = [
  ...["name", "scheduled_time", "recurrence", "time_zone", "description", "labels", "state", "pause_reason"],
  ...["next_run_time", "armed_time", "version", "create_time", "update_time"],
];
const TARGET_COLUMNS = ["webhook", "retry_policy", "timeout_ms"];

function isReminder({ webhook, retryPolicy, timeoutMs }: TaskRow): boolean {
  return webhook === null && retryPolicy === null && timeoutMs === 0;
}

function targetValues(row: TaskRow): unknown[] {
  const { webhook, retryPolicy } = formatTarget(row);
  return [webhook, retryPolicy, row.timeoutMs];
}

type TaskValue = readonly [attribute: keyof TaskRow, column: string, pick: (row: TaskRow) => unknown];

/** The columns that users set. */
const SET_BY_USERS: readonly TaskValue[] = [
  ["name", "name", (row) => row.name],
  ["scheduledTimeMs", "scheduled_time", (row) => toDatetime(row.scheduledTimeMs)],
  ["recurrence", "recurrence", (row) => row.recurrence],
  ["timeZone", "time_zone", (row) => row.timeZone],
  ["description", "description", (row) => row.description],
  ["labels", "labels", (row) => JSON.stringify(row.labels)],
  ["webhook", "webhook", (row) => formatTarget(row).webhook],
  ["retryPolicy", "retry_policy", (row) => formatTarget(row).retryPolicy],
  ["timeoutMs", "timeout_ms", (row) => row.timeoutMs],
];
/** The columns that the API sets when users change a task. */
const SET_WITH_THEM: readonly TaskValue[] = [
  ["state", "state", (row) => row.state],
  ["pauseReason", "pause_reason", (row) => row.pauseReason],
  ["nextRunTimeMs", "next_run_time", (row) => toNullableDatetime(row.nextRunTimeMs)],
  ["armedTimeMs", "armed_time", (row) => toDatetime(row.armedTimeMs)],
  ["version", "version", (row) => row.version],
  ["updateTimeMs", "update_time", (row) => toDatetime(row.updateTimeMs)],
];

/**
 * Writes what users set, and the cursor, of tasks that are locked. A column that users set and that is damaged stays as it
 * is: the value that stands in its place was never anybody's.
 */
export async function updateTasks(connection: SqlConnection, rows: readonly TaskRow[]): Promise<void> {
  await updateColumns(
    connection,
    rows.filter(({ damaged }) => damaged === undefined),
    SET_BY_USERS,
  );
  for (const row of rows) {
    const { damaged } = row;
    if (damaged === undefined) continue;
    await updateColumns(
      connection,
      [row],
      SET_BY_USERS.filter(([attribute]) => !damaged.includes(attribute)),
    );
  }
}

async function updateColumns(
  connection: SqlConnection,
  rows: readonly TaskRow[],
  setByUsers: readonly TaskValue[],
): Promise<void> {
  if (rows.length === 0) return;
  const set = [...setByUsers, ...SET_WITH_THEM];
  await connection.batch(
    `UPDATE tasks SET ${set.map(([, column]) => `${column} = ?`).join(", ")} WHERE id = ?`,
    rows.map((row) => [...set.map(([, , pick]) => pick(row)), row.id]),
  );
}

/**
 * Writes what claims and reports move, of tasks that are locked: one statement with one parameter for any number of
 * rows. Measured for 500 rows: 10 ms; as a bulk of single updates 14 ms.
 */
export function moveTasks(rows: readonly MovedTask[]): Statement[] {
  if (rows.length === 0) return [];
  const values = rows.map((row) => [
    ...[row.id, toNullableDatetime(row.nextRunTimeMs), row.state, row.runCount, toNullableDatetime(row.lastRunTimeMs)],
  ]);
  const sql = `UPDATE JSON_TABLE(?, '$[*]' COLUMNS(id INT PATH '$[0]', next_run_time DATETIME(3) PATH '$[1]',
         state VARCHAR(16) PATH '$[2]', run_count INT UNSIGNED PATH '$[3]', last_run_time DATETIME(3) PATH '$[4]')) AS moved
       STRAIGHT_JOIN tasks ON tasks.id = moved.id
       SET tasks.next_run_time = moved.next_run_time, tasks.state = moved.state, tasks.run_count = moved.run_count,
         tasks.last_run_time = moved.last_run_time`;
  return [plain(sql, [JSON.stringify(values)])];
}

export function deleteTasks(ids: readonly number[]): Statement[] {
  return ids.length === 0 ? [] : [plain("DELETE FROM tasks WHERE id IN (?)", [ids])];
}

/**
 * How many of the tasks after an id make a page of a snapshot; `bounds.rows` unless they are large. Measured for 500 rows:
 * an eighth of what reading them takes of this process, a fifth of the time.
 */
export async function countPageTasks(
  connection: SqlConnection,
  afterId: number,
  bounds: { readonly rows: number; readonly bytes: number },
): Promise<number> {
  const rows: { bytes: number }[] = await connection.query(
    `SELECT LENGTH(name) + LENGTH(description) + LENGTH(labels) + LENGTH(pause_reason) + LENGTH(webhook) AS bytes
       FROM tasks WHERE id > ? ORDER BY id LIMIT ?`,
    [afterId, bounds.rows],
  );
  let bytes = 0;
  for (const [index, row] of rows.entries()) {
    if (bytes >= bounds.bytes) return index;
    bytes += row.bytes;
  }
  return bounds.rows;
}

/** Tasks after an id, for a snapshot a page at a time. */
export async function pageTasks(connection: SqlConnection, afterId: number, limit: number): Promise<TaskRow[]> {
  return readTasks(
    connection,
    sql`SELECT ${TASK_SHAPE.select} FROM tasks WHERE id > ${afterId} ORDER BY id LIMIT ${limit}`,
  );
}

/** How many ids make a block, as tasks are counted to be skipped. */
export const ID_BLOCK = 4_096;

/** How many tasks there are by block of ids. */
export async function countBlocks(connection: SqlConnection): Promise<Map<number, number>> {
  const rows: { block: number; count: number }[] = await connection.query(
    "SELECT id DIV ? AS block, COUNT(*) AS count FROM tasks FORCE INDEX (tasks_state) GROUP BY block",
    [ID_BLOCK],
  );
  return new Map(rows.map(({ block, count }) => [Number(block), Number(count)]));
}

export interface StateCount {
  readonly state: string;
  readonly count: number;
}

/** How many tasks are in each state that any is in. The database gives up after the time. */
export async function countTasks(connection: SqlConnection, limitSeconds: number): Promise<StateCount[]> {
  return connection.query(
    `SET STATEMENT max_statement_time = ${limitSeconds} FOR
       SELECT state, COUNT(*) AS count FROM tasks FORCE INDEX (tasks_state) GROUP BY state`,
  );
}
