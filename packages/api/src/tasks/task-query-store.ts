import { createHash } from "node:crypto";
import type { FieldViolation } from "@taskscheduler/domain";
import { fieldErrors } from "@taskscheduler/domain";
import { type ListTasksRequest, TaskState } from "@taskscheduler/proto";
import type { Logger } from "@taskscheduler/runtime";
import { literal, Op, type Order, type WhereOptions, where } from "sequelize";
import type { Database, SqlConnection } from "../database/database.js";
import { toDatetime } from "../database/instants.js";
import { createReadGroup } from "../database/read-group.js";
import { TaskModel } from "../database/task-model.js";
import type { ExecutionRow } from "../executions/execution-row.js";
import { findExecutions } from "../executions/execution-store.js";
import { MAX_TOTAL_SIZE, pageSizeOf, parseOrder } from "../paging/page-request.js";
import { decodePageToken, encodePageToken, type PagePosition, type PositionKind } from "../paging/page-token.js";
import { isLabelKey, isLabelValue } from "./label-rules.js";
import { readBound } from "./task-input.js";
import type { TaskRow } from "./task-row.js";
import { DAMAGED_LABELS, findTasks, type StoredTask, toTaskRow } from "./task-store.js";

const ORDER_FIELDS = ["id", "name", "next_run_time", "create_time"] as const;
type OrderField = (typeof ORDER_FIELDS)[number];

const ORDER_ATTRIBUTES: Readonly<Record<OrderField, keyof TaskRow>> = {
  id: "id",
  name: "name",
  next_run_time: "nextRunTimeMs",
  create_time: "createTimeMs",
};
const POSITION_KINDS: Readonly<Record<OrderField, PositionKind>> = {
  id: "id",
  name: "text",
  next_run_time: "instant or null",
  create_time: "instant",
};
/** As tasks show it: one that is not active keeps its cursor to itself. */
const SHOWN_NEXT_RUN = literal("IF(state = 'ACTIVE', next_run_time, NULL)");

export interface TaskPage {
  readonly tasks: TaskRow[];
  readonly nextPageToken: string;
  readonly totalSize: number;
}

/** A task, and the execution of it that ended last. */
export interface FoundTask {
  readonly task: TaskRow;
  readonly lastExecution: ExecutionRow | undefined;
}

/** Reads tasks. Every list is a page by key: its cost does not grow with the pages before it. */
export interface TaskQueries {
  get(id: number): Promise<FoundTask | undefined>;
  list(request: ListTasksRequest, signal: AbortSignal): Promise<TaskPage>;
  /** By id, the original interface's way. */
  skip(skip: number, limit: number, signal: AbortSignal): Promise<TaskRow[]>;
  /** The executions that ended last, by task id. */
  lastExecutions(tasks: readonly TaskRow[]): Promise<Map<number, ExecutionRow>>;
}

export function createTaskQueries(database: Database, logger: Logger): TaskQueries {
  const withoutDamage = damageTeller(logger);
  const fromModel = (model: TaskModel) => withoutDamage(toTaskRow(model as unknown as StoredTask));
  return {
    get: createReadGroup(database, async (connection, ids: readonly number[]) => {
      const tasks = await findTasks(connection, ids);
      const last = await findLastExecutions(connection, tasks);
      return new Map(tasks.map((task) => [task.id, { task: withoutDamage(task), lastExecution: last.get(task.id) }]));
    }),
    async skip(skip, limit, signal) {
      const rows = await database.query(
        () => TaskModel.findAll({ order: [["id", "ASC"]], offset: skip, limit, raw: true }),
        signal,
      );
      return rows.map(fromModel);
    },
    list: (request, signal) => listTasks(database, fromModel, request, signal),
    async lastExecutions(tasks) {
      if (tasks.every(({ lastRunTimeMs }) => lastRunTimeMs === null)) return new Map();
      return database.lookUp(() => database.withConnection((connection) => findLastExecutions(connection, tasks)));
    },
  };
}

async function findLastExecutions(
  connection: SqlConnection,
  tasks: readonly TaskRow[],
): Promise<Map<number, ExecutionRow>> {
  const keys = tasks.flatMap(({ id, lastRunTimeMs }) =>
    lastRunTimeMs === null ? [] : [{ taskId: id, scheduledTimeMs: lastRunTimeMs }],
  );
  const rows = await findExecutions(connection, keys, { lock: false });
  return new Map(rows.map((row) => [row.taskId, row]));
}

async function listTasks(
  database: Database,
  fromModel: (model: TaskModel) => TaskRow,
  request: ListTasksRequest,
  signal: AbortSignal,
): Promise<TaskPage> {
  const order = parseOrder(request.orderBy, ORDER_FIELDS);
  const attribute = ORDER_ATTRIBUTES[order.field];
  const filters = filtersOf(database, request);
  const query = queryFingerprint(request);
  const position = decodePageToken(query, request.pageToken, [POSITION_KINDS[order.field], "id"]);
  const pageSize = pageSizeOf(request.pageSize);
  const direction = order.descending ? "DESC" : "ASC";
  const by: Order =
    attribute === "id"
      ? [["id", direction]]
      : [
          [attribute === "nextRunTimeMs" ? SHOWN_NEXT_RUN : attribute, direction],
          ["id", direction],
        ];
  const after = position === undefined ? [] : [afterPosition(attribute, order.descending, position)];
  const [rows, totalSize] = await database.query(
    () =>
      Promise.all([
        TaskModel.findAll({ where: { [Op.and]: [...filters, ...after] }, order: by, limit: pageSize + 1, raw: true }),
        request.countTotal ? countUpTo(filters) : 0,
      ]),
    signal,
  );
  const tasks = rows.slice(0, pageSize).map(fromModel);
  const last = tasks.at(-1);
  const more = rows.length > pageSize && last !== undefined;
  const nextPageToken = more ? encodePageToken(query, [shownValue(last, attribute), last.id]) : "";
  return { tasks, nextPageToken, totalSize };
}

function damageTeller(logger: Logger): (row: TaskRow) => TaskRow {
  return (row) => {
    if (row.labels === DAMAGED_LABELS)
      logger.warn({ taskId: row.id }, "a task's labels are damaged; it is shown without");
    return row;
  };
}

async function countUpTo(filters: readonly WhereOptions[]): Promise<number> {
  const rows = await TaskModel.findAll({
    attributes: ["id"],
    where: { [Op.and]: [...filters] },
    limit: MAX_TOTAL_SIZE,
    raw: true,
  });
  return rows.length;
}

/** Rows after a position. NULL comes first in ascending order. */
function afterPosition(attribute: keyof TaskRow, descending: boolean, position: PagePosition): WhereOptions {
  const [value = null, id] = position;
  const beyond = descending ? Op.lt : Op.gt;
  if (attribute === "id") return { id: { [beyond]: id } };
  const sameValue = { [Op.and]: [compare(attribute, Op.eq, value), { id: { [beyond]: id } }] };
  if (value === null) return descending ? sameValue : { [Op.or]: [sameValue, compare(attribute, Op.ne, null)] };
  const nulls = descending && attribute === "nextRunTimeMs" ? [compare(attribute, Op.eq, null)] : [];
  return { [Op.or]: [compare(attribute, beyond, value), sameValue, ...nulls] };
}

function compare(
  attribute: keyof TaskRow,
  operator: typeof Op.eq | typeof Op.ne | typeof Op.lt | typeof Op.gt,
  value: string | number | null,
): WhereOptions {
  const isInstant = typeof value === "number";
  if (attribute !== "nextRunTimeMs") return { [attribute]: { [operator]: isInstant ? new Date(value) : value } };
  return where(SHOWN_NEXT_RUN, { [operator]: isInstant ? toDatetime(value) : value });
}

function shownValue(task: TaskRow, attribute: keyof TaskRow): string | number | null {
  if (attribute === "nextRunTimeMs" && task.state !== "ACTIVE") return null;
  return task[attribute] as string | number | null;
}

function filtersOf(database: Database, request: ListTasksRequest): WhereOptions[] {
  const violations: FieldViolation[] = [];
  const filters: WhereOptions[] = [];
  if (request.states.length > 0) filters.push({ state: request.states.map((state) => TaskState[state]) });
  if (request.nameContains !== "") filters.push(nameContains(database, request.nameContains));
  for (const [key, value] of Object.entries(request.labelFilter)) {
    if (!isLabelKey(key))
      violations.push({ field: "label_filter", description: "keys are of letters, digits, . _ / -" });
    else if (!isLabelValue(value))
      violations.push({ field: "label_filter", description: "values are of at most 255 characters" });
    else filters.push(hasLabel(database, key, value));
  }
  if (request.nextRunAfter !== undefined || request.nextRunBefore !== undefined) filters.push({ state: "ACTIVE" });
  if (request.nextRunAfter !== undefined) {
    const time = readBound(request.nextRunAfter, "next_run_after", violations);
    filters.push({ nextRunTimeMs: { [Op.gt]: new Date(time) } });
  }
  if (request.nextRunBefore !== undefined) {
    const time = readBound(request.nextRunBefore, "next_run_before", violations, "earlier");
    filters.push({ nextRunTimeMs: { [Op.lt]: new Date(time) } });
  }
  const error = fieldErrors(violations);
  if (error !== undefined) throw error;
  return filters;
}

function nameContains(database: Database, text: string): WhereOptions {
  const pattern = `%${text.replace(/[\\%_]/g, "\\$&")}%`;
  // Not by a collation that knows no case: those of MariaDB 10.6 take accents, and all emoji, for the same as well.
  return literal(`LOWER(name) LIKE LOWER(${database.sequelize.escape(pattern)})`) as unknown as WhereOptions;
}

function hasLabel({ sequelize }: Database, key: string, value: string): WhereOptions {
  const sql = `JSON_CONTAINS(labels, ${sequelize.escape(JSON.stringify(value))}, ${sequelize.escape(`$."${key}"`)})`;
  return literal(sql) as unknown as WhereOptions;
}

function queryFingerprint(request: ListTasksRequest): string {
  const { states, nameContains: name, labelFilter, nextRunAfter, nextRunBefore, orderBy } = request;
  const instants = [nextRunAfter, nextRunBefore].map((time) => time && [String(time.seconds), time.nanos]);
  const labels = Object.entries(labelFilter).sort();
  return createHash("sha256")
    .update(JSON.stringify([states, name, labels, instants, orderBy]))
    .digest("base64url");
}
