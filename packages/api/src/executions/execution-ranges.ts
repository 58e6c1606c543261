import { EXECUTION_STATES } from "@taskscheduler/domain";
import { toDatetime } from "../database/instants.js";
import { raw, type Sql, sql } from "../database/sql.js";
import type { KeyRange } from "../paging/key-range.js";
import type { Order } from "../paging/page-request.js";
import type { ExecutionFilter } from "./execution-filter.js";

export const EXECUTION_ORDER_FIELDS = ["id", "scheduled_time"] as const;
export type ExecutionOrder = Order<(typeof EXECUTION_ORDER_FIELDS)[number]>;

/** The last execution of the page before. */
export interface ExecutionPosition {
  readonly taskId: number;
  /** As the database has it. */
  readonly time: string;
}

const KEY = raw("task_id AS page_task, scheduled_time AS page_time");
const TASK_ID = raw("task_id");
const TIME = raw("scheduled_time");

export function executionOrderBy({ field, descending }: ExecutionOrder): Sql {
  const direction = raw(descending ? "DESC" : "ASC");
  return field === "id"
    ? sql`page_task ${direction}, page_time ${direction}`
    : sql`page_time ${direction}, page_task ${direction}`;
}

/**
 * Executions in the order of an index, and whether they are those of the filter without looking at others between. Of
 * each state there is an index in the order of tasks, and one in that of times; of any state it is the merge of all.
 */
export function executionWalk(
  filter: ExecutionFilter,
  order: ExecutionOrder,
  after?: ExecutionPosition,
): { readonly ranges: readonly KeyRange[]; readonly isExact: boolean } {
  const { taskId, states } = filter;
  if (taskId === undefined && order.field === "scheduled_time") {
    return { ranges: executionsByTime(filter, order, after), isExact: true };
  }
  const where = [
    ...(taskId === undefined ? [] : [sql`task_id = ${taskId}`]),
    ...timeCondition(filter),
    ...beyond(order, after),
  ];
  const isExact = taskId !== undefined || timeCondition(filter).length === 0;
  if (isOfAllStates(filter)) return { ranges: [{ key: KEY, from: executionsBy("PRIMARY"), where }], isExact };
  const ranges = states.map((state) => {
    return { key: KEY, from: executionsBy("executions_state"), where: [sql`state = ${state}`, ...where] };
  });
  return { ranges, isExact };
}

/** What an index by time has of each state: in the order of times, or else to be sorted. */
export function executionsByTime(
  filter: ExecutionFilter,
  order: ExecutionOrder,
  after?: ExecutionPosition,
): KeyRange[] {
  const where = [...timeCondition(filter), ...beyond(order, after)];
  return filter.states.map((state) => {
    return { key: KEY, from: executionsBy("executions_due"), where: [sql`state = ${state}`, ...where] };
  });
}

export function isOfAllStates({ states }: ExecutionFilter): boolean {
  return states.length === EXECUTION_STATES.length;
}

function executionsBy(index: string): Sql {
  return raw(`executions FORCE INDEX (${index})`);
}

function timeCondition({ afterMs, beforeMs }: ExecutionFilter): Sql[] {
  return [
    ...(afterMs === undefined ? [] : [sql`scheduled_time > ${toDatetime(afterMs)}`]),
    ...(beforeMs === undefined ? [] : [sql`scheduled_time < ${toDatetime(beforeMs)}`]),
  ];
}

/** What comes after a position, as two ranges of an index: one within the same first column. */
function beyond({ field, descending }: ExecutionOrder, after: ExecutionPosition | undefined): Sql[] {
  if (after === undefined) return [];
  const further = raw(descending ? "<" : ">");
  const { taskId, time } = after;
  return field === "id"
    ? [sql`(${TASK_ID} ${further} ${taskId} OR (${TASK_ID} = ${taskId} AND ${TIME} ${further} ${time}))`]
    : [sql`(${TIME} ${further} ${time} OR (${TIME} = ${time} AND ${TASK_ID} ${further} ${taskId}))`];
}
