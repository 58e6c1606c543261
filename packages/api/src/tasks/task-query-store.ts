import type { ExecutionRow } from "@taskscheduler/domain";
import type { ListTasksRequest } from "@taskscheduler/proto";
import type { ChangeLog } from "../changes/change-log.js";
import type { Database, SqlConnection } from "../database/database.js";
import { toDatetime } from "../database/instants.js";
import { createReadGroup } from "../database/read-group.js";
import { hasKey, select, selectAllRows, selectRows, selectWithin } from "../database/select.js";
import { joinSql, raw, type Sql, sql } from "../database/sql.js";
import { findExecutions } from "../executions/execution-store.js";
import { countRows, firstKeys, type KeyRange } from "../paging/key-range.js";
import { readListPage } from "../paging/list-page.js";
import { MAX_TOTAL_SIZE, parseOrder } from "../paging/page-request.js";
import {
  datetimePosition,
  decodePageToken,
  encodePageToken,
  type PagePosition,
  type PositionKind,
} from "../paging/page-token.js";
import { readTaskFilter, type TaskFilter, taskQueryFingerprint } from "./task-filter.js";
import {
  TASK_ORDER_FIELDS,
  type TaskOrder,
  type TaskPosition,
  type TaskSelection,
  taskNameSelection,
  taskOrderBy,
  taskSelections,
  taskWalk,
} from "./task-ranges.js";
import { createTaskRanks } from "./task-ranks.js";
import type { TaskRow } from "./task-row.js";
import { findTasks, TASK_SHAPE } from "./task-store.js";

/** What is laid out for; with fewer, all ways are quicker. */
const MANY_TASKS = 1_000_000;
/** As long as a look at a task's row takes, so many entries of indexes are looked at; the more so in a small buffer pool. */
const ENTRIES_PER_ROW = 8;
/** So much longer takes an entry of an index to look at, with what is joined to it, than to sort. */
const SORTED_PER_ENTRY = 4;
/** Matching tasks are looked for so much longer than where they lie evenly among all; an entry and its label count as two. */
const WALK_PATIENCE = 8;
/** For a part of a name, of which nothing is known, so many are looked at for each task of the page. */
const NAMES_EACH = 100;
/** So many that a filter selects are looked through, for a count or a part of a name, before others are considered. */
const FEW_TO_LOOK_THROUGH = 20_000;

/** So many tasks are skipped one by one, in 2 ms; where more are, ranks say where to begin. */
const LONG_SKIP = 10_000;

const POSITION_KINDS: Readonly<Record<TaskOrder["field"], PositionKind>> = {
  id: "id",
  name: "text",
  next_run_time: "instant or null",
  create_time: "instant",
};

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

export function createTaskQueries(database: Database, log: ChangeLog): TaskQueries {
  const ranks = createTaskRanks(database, log);
  return {
    get: createReadGroup(database, async (connection, ids: readonly number[]) => {
      const tasks = await findTasks(connection, ids);
      const last = await findLastExecutions(connection, tasks);
      return new Map(tasks.map((task) => [task.id, { task, lastExecution: last.get(task.id) }]));
    }),
    async skip(skip, limit, signal) {
      return database.query(async () => {
        const start = skip < LONG_SKIP ? { fromId: 0, skip } : await ranks.seek(skip, signal);
        return database.withConnection((connection) =>
          selectRows<TaskRow>(connection, TASK_SHAPE, pageAfter(start, limit)),
        );
      }, signal);
    },
    list: (request, signal) => listTasks(database, request, signal),
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

async function listTasks(database: Database, request: ListTasksRequest, signal: AbortSignal): Promise<TaskPage> {
  const order = parseOrder(request.orderBy, TASK_ORDER_FIELDS);
  const filter = readTaskFilter(request);
  const query = taskQueryFingerprint(request);
  const position = decodePageToken(query, request.pageToken, [POSITION_KINDS[order.field], "id"]);
  const after = position === undefined ? undefined : positionOf(order, position);
  if (filter.states.length === 0) return { tasks: [], nextPageToken: "", totalSize: 0 };
  const { rows, ...rest } = await readListPage<ListedTask>(
    database,
    request,
    {
      page: (connection, limit) => readPage(connection, { filter, order, after, limit }),
      count: (connection) => countTasks(connection, filter),
      tokenAfter: ({ pageId, pageValue }) => encodePageToken(query, [toPosition(pageValue, order), pageId]),
      bytesOf: textBytes,
    },
    signal,
  );
  return { tasks: rows.filter((row) => hasKey(row, TASK_SHAPE) && hasLabels(row, filter)), ...rest };
}

/** A task of a list, with what the list is ordered by as the database has it. */
interface ListedTask extends TaskRow {
  readonly pageId: number;
  readonly pageValue: string | number | null;
}

/** What a list asks for, read and judged. */
interface TaskList {
  readonly filter: TaskFilter;
  readonly order: TaskOrder;
  readonly after: TaskPosition | undefined;
  readonly limit: number;
}

/**
 * A page by the quickest of three ways. Where an index has just these tasks in just this order: a page of it. Where one of
 * the filters selects few tasks: those, sorted. Else in the order, looking at each whether it matches; and when that takes
 * too long after all, what the narrowest of the filters selects, sorted, though it be many.
 */
async function readPage(connection: SqlConnection, list: TaskList): Promise<ListedTask[]> {
  const { filter, order, after, limit } = list;
  const walk = taskWalk(filter, order, after);
  // After a position that no page ends with.
  if (walk.ranges.length === 0) return [];
  const walked = pageOf(walk.ranges, list);
  if (walk.isExact) return selectAllRows(connection, TASK_SHAPE, walked);
  const named = taskNameSelection(filter, order, after);
  const fewest = (selection: TaskSelection) => (named === undefined ? fewOf(selection, limit) : FEW_TO_LOOK_THROUGH);
  const narrowest = await findNarrowest(connection, taskSelections(filter, order, after), fewest);
  if (narrowest?.isFew) return selectAllRows(connection, TASK_SHAPE, pageOf(narrowest.ranges, list));
  // Nothing reads less than the index by name does, and it has them in this order.
  if (named !== undefined && order.field === "name") return selectAllRows(connection, TASK_SHAPE, walked);
  const each = named === undefined ? (WALK_PATIENCE * MANY_TASKS) / fewOf({ isCovered: false }, limit) : NAMES_EACH;
  const rows = await selectWithin<ListedTask>(connection, TASK_SHAPE, walked, Math.round(limit * each));
  const selected = named === undefined ? narrowest?.ranges : [named];
  return rows ?? selectAllRows(connection, TASK_SHAPE, selected === undefined ? walked : pageOf(selected, list));
}

/** As many to sort as take the time of looking for a page, if those that match lie evenly among all. */
function fewOf({ isCovered }: Pick<TaskSelection, "isCovered">, limit: number): number {
  const weight = isCovered ? SORTED_PER_ENTRY : 1 / ENTRIES_PER_ROW;
  return Math.round(Math.sqrt(limit * MANY_TASKS * weight));
}

/** The one that selects the fewest tasks, and whether they are few. */
async function findNarrowest(
  connection: SqlConnection,
  selections: readonly TaskSelection[],
  fewOf: (selection: TaskSelection) => number,
): Promise<{ readonly ranges: readonly KeyRange[]; readonly isFew: boolean } | undefined> {
  if (selections.length === 0) return undefined;
  const counts = selections.map((selection, index) => {
    return sql`${countRows([selection.selected], fewOf(selection))} AS ${raw(`count${index}`)}`;
  });
  const [row] = await select<Record<string, number>>(connection, sql`SELECT ${joinSql(counts, ", ")}`);
  const counted = selections.map((selection, index) => {
    const count = Number(row?.[`count${index}`]);
    return { ranges: selection.ranges, count, isFew: count < fewOf(selection) };
  });
  const few = counted.filter(({ isFew }) => isFew);
  return (few.length > 0 ? few : counted).reduce((least, each) => (each.count < least.count ? each : least));
}

/** The keys of the page first, out of indexes, and then these rows alone. */
function pageOf(ranges: readonly KeyRange[], { order, limit }: TaskList): Sql {
  const orderBy = taskOrderBy(order);
  const value = raw(order.field === "id" ? "page_id" : "page_value");
  return sql`SELECT ${TASK_SHAPE.select}, page_id AS pageId, ${value} AS pageValue
    FROM (${firstKeys(ranges, orderBy, limit)}) AS page
    STRAIGHT_JOIN tasks FORCE INDEX (PRIMARY) ON tasks.id = page.page_id ORDER BY ${orderBy}`;
}

async function countTasks(connection: SqlConnection, filter: TaskFilter): Promise<number> {
  const ranges = await rangesToCount(connection, filter);
  const [row] = await select<{ total: number }>(connection, sql`SELECT ${countRows(ranges, MAX_TOTAL_SIZE)} AS total`);
  return Math.min(Number(row?.total), MAX_TOTAL_SIZE);
}

/** Where all tasks of a filter are found with the least that does not match. */
async function rangesToCount(connection: SqlConnection, filter: TaskFilter): Promise<readonly KeyRange[]> {
  const order = { field: "id", descending: false } as const;
  const walk = taskWalk(filter, order);
  if (walk.isExact) return walk.ranges;
  const selections = taskSelections(filter, order);
  const narrowest = await findNarrowest(connection, selections, () => FEW_TO_LOOK_THROUGH);
  if (narrowest?.isFew) return narrowest.ranges;
  const named = taskNameSelection(filter, order);
  if (named !== undefined) return [named];
  return (filter.nextRun === undefined ? undefined : selections.at(-1)?.ranges) ?? walk.ranges;
}

/** The ids first, so that no row is read to be skipped. */
function pageAfter({ fromId, skip }: { readonly fromId: number; readonly skip: number }, limit: number): Sql {
  const ids = sql`SELECT id AS page_id FROM tasks FORCE INDEX (PRIMARY) WHERE id >= ${fromId} ORDER BY id
    LIMIT ${limit} OFFSET ${skip}`;
  return sql`SELECT ${TASK_SHAPE.select} FROM (${ids}) AS page
    STRAIGHT_JOIN tasks FORCE INDEX (PRIMARY) ON tasks.id = page.page_id ORDER BY page_id`;
}

function positionOf({ field }: TaskOrder, [value = null, id]: PagePosition): TaskPosition {
  const isInstant = field === "next_run_time" || field === "create_time";
  return {
    value: isInstant && typeof value === "number" ? toDatetime(value) : (value as string | null),
    id: Number(id),
  };
}

/** NULL, which these columns must not have, comes before every value. */
const BEFORE_ALL = { name: "", create_time: "0000-00-00 00:00:00" } as const;

/** A time that cannot be read stands as the database has it, so that the list goes on after it. */
function toPosition(value: string | number | null, { field }: TaskOrder): string | number | null {
  if (field === "id" || typeof value === "number") return value;
  const known = value ?? (field === "next_run_time" ? null : BEFORE_ALL[field]);
  return field === "name" || known === null ? known : datetimePosition(known);
}

/** The texts that may be long; of characters that take up to three bytes. */
function textBytes({ name, description, labels, pauseReason, webhook }: TaskRow): number {
  const length = name.length + description.length + JSON.stringify(labels).length + pauseReason.length;
  return (webhook === null ? 0 : JSON.stringify(webhook).length) + 2 * length;
}

/** The labels by which tasks are found are a copy; what somebody wrote past us does not match. */
function hasLabels(task: TaskRow, { labels }: TaskFilter): boolean {
  return labels.every(([name, value]) => Object.hasOwn(task.labels, name) && task.labels[name] === value);
}
