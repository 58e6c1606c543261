import { type ExecutionKey, type ExecutionRow, formatExecutionId, parseExecutionId } from "@taskscheduler/domain";
import type { ListExecutionsRequest, RetryFilter } from "@taskscheduler/proto";
import type { Database, SqlConnection } from "../database/database.js";
import { toDatetime } from "../database/instants.js";
import { createReadGroup } from "../database/read-group.js";
import { hasKey, select, selectAllRows, selectWithin } from "../database/select.js";
import { type Sql, sql } from "../database/sql.js";
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
import { type ExecutionFilter, executionQueryFingerprint, readExecutionFilter, readTimes } from "./execution-filter.js";
import {
  EXECUTION_ORDER_FIELDS,
  type ExecutionOrder,
  type ExecutionPosition,
  executionOrderBy,
  executionsByTime,
  executionWalk,
} from "./execution-ranges.js";
import { EXECUTION_SHAPE, findExecutions, findFailedKeys } from "./execution-store.js";

/** What is laid out for; with fewer, both ways are quicker. */
const MANY_EXECUTIONS = 10_000_000;
/** As long as it takes to look at a row, so many entries of an index are sorted. */
const ENTRIES_PER_ROW = 3;
/** Those of a time are looked for by task this much longer than it takes where they lie evenly among all. */
const WALK_PATIENCE = 2;

export interface ExecutionPage {
  readonly executions: ExecutionRow[];
  readonly nextPageToken: string;
  readonly totalSize: number;
}

export interface ExecutionQueries {
  get(key: ExecutionKey): Promise<ExecutionRow | undefined>;
  list(request: ListExecutionsRequest, signal: AbortSignal): Promise<ExecutionPage>;
  /** The keys of failed executions whose task is still there, the earliest first. */
  failed(filter: RetryFilter, limit: number, signal: AbortSignal): Promise<{ keys: ExecutionKey[]; hasMore: boolean }>;
}

export function createExecutionQueries(database: Database): ExecutionQueries {
  const find = createReadGroup(database, async (connection, texts: readonly string[]) => {
    const keys = texts.flatMap((text) => parseExecutionId(text) ?? []);
    const rows = await findExecutions(connection, keys, { lock: false });
    return new Map(rows.map((row) => [formatExecutionId(row.taskId, row.scheduledTimeMs), row]));
  });
  return {
    get: ({ taskId, scheduledTimeMs }) => find(formatExecutionId(taskId, scheduledTimeMs)),
    list: (request, signal) => listExecutions(database, request, signal),
    failed: (filter, limit, signal) => findFailed(database, filter, limit, signal),
  };
}

async function findFailed(
  database: Database,
  filter: RetryFilter,
  limit: number,
  signal: AbortSignal,
): Promise<{ keys: ExecutionKey[]; hasMore: boolean }> {
  const { afterMs, beforeMs } = readTimes(filter, "filter.");
  const found = await database.lookUp(
    () =>
      database.withConnection((connection) => findFailedKeys(connection, { ...filter, afterMs, beforeMs }, limit + 1)),
    signal,
  );
  return { keys: found.slice(0, limit), hasMore: found.length > limit };
}

/** An execution of a list, with its place as the database has it. */
interface ListedExecution extends ExecutionRow {
  readonly pageTask: number;
  readonly pageTime: string;
}

/** What a list asks for, read and judged. */
interface ExecutionList {
  readonly filter: ExecutionFilter;
  readonly order: ExecutionOrder;
  readonly after: ExecutionPosition | undefined;
  readonly limit: number;
}

async function listExecutions(
  database: Database,
  request: ListExecutionsRequest,
  signal: AbortSignal,
): Promise<ExecutionPage> {
  const order = parseOrder(request.orderBy, EXECUTION_ORDER_FIELDS);
  const filter = readExecutionFilter(request);
  const query = executionQueryFingerprint(request);
  const position = decodePageToken(query, request.pageToken, POSITION_KINDS[order.field]);
  const after = position === undefined ? undefined : positionAt(order, position);
  const { rows, ...rest } = await readListPage<ListedExecution>(
    database,
    request,
    {
      page: (connection, limit) => readPage(connection, { filter, order, after, limit }),
      count: (connection) => countExecutions(connection, filter),
      tokenAfter: (row) => encodePageToken(query, positionOf(order, row)),
      bytesOf: (row) => row.attempts.length + row.error.length + row.taskName.length,
    },
    signal,
  );
  return { executions: rows.filter((row) => hasKey(row, EXECUTION_SHAPE)), ...rest };
}

/**
 * A page by the quickest of three ways. Where an index has just these executions in just this order: a page of it. By
 * task within a time: where there are few of that time, those, sorted. Else in the order, looking at the time of each;
 * and when that takes too long after all, those of the time, sorted, though they be many.
 */
async function readPage(connection: SqlConnection, list: ExecutionList): Promise<ListedExecution[]> {
  const { filter, order, after, limit } = list;
  const walk = executionWalk(filter, order, after);
  if (walk.isExact) return selectAllRows(connection, EXECUTION_SHAPE, pageOf(walk.ranges, list));
  const timed = pageOf(executionsByTime(filter, order, after), list);
  // As many to sort as take the time of looking for a page, if those of the time lay evenly among all.
  const few = Math.round(Math.sqrt(limit * MANY_EXECUTIONS * ENTRIES_PER_ROW));
  if ((await count(connection, executionsByTime(filter, order), few)) < few)
    return selectAllRows(connection, EXECUTION_SHAPE, timed);
  const walked = await selectWithin<ListedExecution>(
    connection,
    EXECUTION_SHAPE,
    pageOf(walk.ranges, list),
    Math.round((WALK_PATIENCE * limit * MANY_EXECUTIONS) / few),
  );
  return walked ?? selectAllRows(connection, EXECUTION_SHAPE, timed);
}

/** The keys of the page first, out of indexes, and then these rows alone. */
function pageOf(ranges: readonly KeyRange[], { order, limit }: ExecutionList): Sql {
  const orderBy = executionOrderBy(order);
  return sql`SELECT ${EXECUTION_SHAPE.select}, page_task AS pageTask, page_time AS pageTime
    FROM (${firstKeys(ranges, orderBy, limit)}) AS page
    STRAIGHT_JOIN executions FORCE INDEX (PRIMARY)
      ON executions.task_id = page.page_task AND executions.scheduled_time = page.page_time
    ORDER BY ${orderBy}`;
}

async function countExecutions(connection: SqlConnection, filter: ExecutionFilter): Promise<number> {
  const byKey = executionWalk(filter, { field: "id", descending: false });
  const ranges = byKey.isExact
    ? byKey.ranges
    : executionsByTime(filter, { field: "scheduled_time", descending: false });
  return count(connection, ranges, MAX_TOTAL_SIZE);
}

async function count(connection: SqlConnection, ranges: readonly KeyRange[], limit: number): Promise<number> {
  const [row] = await select<{ total: number }>(connection, sql`SELECT ${countRows(ranges, limit)} AS total`);
  return Math.min(Number(row?.total), limit);
}

const POSITION_KINDS: Readonly<Record<ExecutionOrder["field"], readonly [PositionKind, PositionKind]>> = {
  id: ["id", "instant"],
  scheduled_time: ["instant", "id"],
};

function positionOf({ field }: ExecutionOrder, { pageTask, pageTime }: ListedExecution): PagePosition {
  const time = datetimePosition(pageTime);
  return field === "id" ? [pageTask, time] : [time, pageTask];
}

function positionAt({ field }: ExecutionOrder, position: PagePosition): ExecutionPosition {
  const [taskId, time] = field === "id" ? position : [position[1], position[0]];
  return { taskId: Number(taskId), time: typeof time === "number" ? toDatetime(time) : String(time) };
}
