import { createHash } from "node:crypto";
import { type FieldViolation, fieldErrors, formatExecutionId, parseExecutionId } from "@taskscheduler/domain";
import type { ListExecutionsRequest } from "@taskscheduler/proto";
import { Op, type Order, type WhereOptions } from "sequelize";
import type { Database } from "../database/database.js";
import { ExecutionModel } from "../database/execution-model.js";
import { createReadGroup } from "../database/read-group.js";
import { MAX_TOTAL_SIZE, pageSizeOf, parseOrder } from "../paging/page-request.js";
import { decodePageToken, encodePageToken, type PagePosition, type PositionKind } from "../paging/page-token.js";
import { readBound } from "../tasks/task-input.js";
import { executionStateName } from "./execution-mapper.js";
import type { ExecutionKey, ExecutionRow } from "./execution-row.js";
import { findExecutions } from "./execution-store.js";

const ORDER_FIELDS = ["id", "scheduled_time"] as const;

export interface ExecutionPage {
  readonly executions: ExecutionRow[];
  readonly nextPageToken: string;
  readonly totalSize: number;
}

export interface ExecutionQueries {
  get(key: ExecutionKey): Promise<ExecutionRow | undefined>;
  list(request: ListExecutionsRequest, signal: AbortSignal): Promise<ExecutionPage>;
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
  };
}

async function listExecutions(
  database: Database,
  request: ListExecutionsRequest,
  signal: AbortSignal,
): Promise<ExecutionPage> {
  const order = parseOrder(request.orderBy, ORDER_FIELDS);
  const filters = filtersOf(request);
  const query = queryFingerprint(request);
  const columns = order.field === "id" ? KEY_ORDER : TIME_ORDER;
  const kinds = columns.map((column) => POSITION_KINDS[column]);
  const position = decodePageToken(query, request.pageToken, kinds);
  const pageSize = pageSizeOf(request.pageSize);
  const direction = order.descending ? "DESC" : "ASC";
  const by: Order = columns.map((column) => [column, direction]);
  const after = position === undefined ? [] : [afterPosition(columns, order.descending, position)];
  const [rows, totalSize] = await database.query(
    () =>
      Promise.all([
        ExecutionModel.findAll({
          where: { [Op.and]: [...filters, ...after] },
          order: by,
          limit: pageSize + 1,
          raw: true,
        }),
        request.countTotal ? countUpTo(filters) : 0,
      ]),
    signal,
  );
  const executions = rows.slice(0, pageSize).map((row) => row as unknown as ExecutionRow);
  const last = executions.at(-1);
  const more = rows.length > pageSize && last !== undefined;
  const nextPageToken = more
    ? encodePageToken(
        query,
        columns.map((column) => last[column]),
      )
    : "";
  return { executions, nextPageToken, totalSize };
}

type KeyColumn = keyof ExecutionKey;
const POSITION_KINDS: Readonly<Record<KeyColumn, PositionKind>> = { taskId: "id", scheduledTimeMs: "instant" };
const KEY_ORDER: readonly [KeyColumn, KeyColumn] = ["taskId", "scheduledTimeMs"];
const TIME_ORDER: readonly [KeyColumn, KeyColumn] = ["scheduledTimeMs", "taskId"];

function afterPosition(
  columns: readonly [KeyColumn, KeyColumn],
  descending: boolean,
  position: PagePosition,
): WhereOptions {
  const [first, second] = columns;
  const beyond = descending ? Op.lt : Op.gt;
  const firstValue = sqlValue(first, position[0]);
  return {
    [Op.or]: [
      { [first]: { [beyond]: firstValue } },
      { [first]: firstValue, [second]: { [beyond]: sqlValue(second, position[1]) } },
    ],
  };
}

function sqlValue(column: KeyColumn, value: string | number | null | undefined): unknown {
  return column === "scheduledTimeMs" ? new Date(Number(value)) : value;
}

function filtersOf(request: ListExecutionsRequest): WhereOptions[] {
  const violations: FieldViolation[] = [];
  const filters: WhereOptions[] = [];
  if (request.taskId !== 0) filters.push({ taskId: request.taskId });
  if (request.states.length > 0) filters.push({ state: request.states.map(executionStateName) });
  if (request.scheduledAfter !== undefined) {
    const time = readBound(request.scheduledAfter, "scheduled_after", violations);
    filters.push({ scheduledTimeMs: { [Op.gt]: new Date(time) } });
  }
  if (request.scheduledBefore !== undefined) {
    const time = readBound(request.scheduledBefore, "scheduled_before", violations, "earlier");
    filters.push({ scheduledTimeMs: { [Op.lt]: new Date(time) } });
  }
  const error = fieldErrors(violations);
  if (error !== undefined) throw error;
  return filters;
}

async function countUpTo(filters: readonly WhereOptions[]): Promise<number> {
  const rows = await ExecutionModel.findAll({
    attributes: ["taskId"],
    where: { [Op.and]: [...filters] },
    limit: MAX_TOTAL_SIZE,
    raw: true,
  });
  return rows.length;
}

function queryFingerprint(request: ListExecutionsRequest): string {
  const { taskId, states, scheduledAfter, scheduledBefore, orderBy } = request;
  const instants = [scheduledAfter, scheduledBefore].map((time) => time && [String(time.seconds), time.nanos]);
  return createHash("sha256")
    .update(JSON.stringify([taskId, states, instants, orderBy]))
    .digest("base64url");
}
