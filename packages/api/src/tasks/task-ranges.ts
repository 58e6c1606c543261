import { TASK_STATES } from "@taskscheduler/domain";
import { toDatetime } from "../database/instants.js";
import { joinSql, raw, type Sql, sql } from "../database/sql.js";
import type { KeyRange } from "../paging/key-range.js";
import type { Order } from "../paging/page-request.js";
import type { TaskFilter } from "./task-filter.js";

export const TASK_ORDER_FIELDS = ["id", "name", "next_run_time", "create_time"] as const;
export type TaskOrder = Order<(typeof TASK_ORDER_FIELDS)[number]>;

/** The last task of the page before: what it is sorted by, and its id. */
export interface TaskPosition {
  readonly value: string | null;
  readonly id: number;
}

/** Tasks in the order of an index, and whether they are those of the filter without looking at others between. */
export interface TaskWalk {
  readonly ranges: readonly KeyRange[];
  readonly isExact: boolean;
}

/** What one of the filters selects by an index, whatever the order. */
export interface TaskSelection {
  /** What the index alone selects: cheap to count. */
  readonly selected: Omit<KeyRange, "key">;
  /** The same, with all of the filter. */
  readonly ranges: readonly KeyRange[];
  /** Whether they are filtered and sorted out of indexes, without a look at each task's row. */
  readonly isCovered: boolean;
}

/** As tasks show it: one that is not active keeps its cursor to itself. */
const SHOWN_NEXT_RUN = raw("IF(tasks.state = 'ACTIVE', tasks.next_run_time, NULL)");
const TASK_ID = raw("tasks.id");
/** MariaDB joins 61 tables and no more; a filter has up to 64 labels. */
const JOINED_LABELS = 16;

const VALUES = {
  id: TASK_ID,
  name: raw("tasks.name"),
  next_run_time: SHOWN_NEXT_RUN,
  create_time: raw("tasks.create_time"),
} as const satisfies Record<TaskOrder["field"], Sql>;

/** How the keys of a page are sorted; NULL comes first in ascending order. */
export function taskOrderBy({ field, descending }: TaskOrder): Sql {
  const direction = raw(descending ? "DESC" : "ASC");
  return field === "id" ? sql`page_id ${direction}` : sql`page_value ${direction}, page_id ${direction}`;
}

/**
 * Tasks in their order, with all else that is filtered by looked up on the way: quick where a good part of them match.
 * Of each state there is an index in the order of ids, of names, of creation and of next runs; of each label one of ids.
 */
export function taskWalk(filter: TaskFilter, order: TaskOrder, after?: TaskPosition): TaskWalk {
  const { states, labels, nameContains, nextRun } = filter;
  const isPlain = nameContains === "" && (nextRun === undefined || order.field === "next_run_time");
  if (order.field === "id" && isOfAllStates(filter)) {
    if (labels.length > 0)
      return { ranges: labelRanges(filter, 0, order, after), isExact: isPlain && labels.length === 1 };
    return { ranges: [orderRange(filter, order, "PRIMARY", TASK_ID, beyond(order, TASK_ID, after))], isExact: isPlain };
  }
  const isExact = isPlain && labels.length === 0;
  if (order.field === "next_run_time") return { ranges: nextRunRanges(filter, order, after), isExact };
  const index = { id: "tasks_state", name: "tasks_name", create_time: "tasks_created" }[order.field];
  const value = VALUES[order.field];
  const ranges = states.map((state) => {
    const where = [sql`tasks.state = ${state}`, ...beyond(order, value, after), ...nextRunCondition(filter)];
    return orderRange(filter, order, index, value, where);
  });
  return { ranges, isExact };
}

/** Those without a next run by id, and the active ones by it; in ascending order the first are first. */
function nextRunRanges(filter: TaskFilter, order: TaskOrder, after: TaskPosition | undefined): KeyRange[] {
  const { states, nextRun } = filter;
  const isAmongNulls = after?.value === null;
  const ranges: KeyRange[] = [];
  if (nextRun === undefined && (after === undefined || isAmongNulls || order.descending)) {
    const position = isAmongNulls ? beyond({ ...order, field: "id" }, TASK_ID, after) : [];
    for (const state of states) {
      const isActive = state === "ACTIVE";
      const none = isActive ? [sql`tasks.next_run_time IS NULL`] : [];
      const where = [sql`tasks.state = ${state}`, ...none, ...position];
      ranges.push(orderRange(filter, order, isActive ? "tasks_due" : "tasks_state", raw("NULL"), where));
    }
  }
  if (states.includes("ACTIVE") && (after === undefined || !isAmongNulls || !order.descending)) {
    const value = raw("tasks.next_run_time");
    const position = isAmongNulls ? [] : beyond(order, value, after);
    const where = [sql`tasks.state = 'ACTIVE'`, sql`${value} IS NOT NULL`, ...nextRunCondition(filter), ...position];
    ranges.push(orderRange(filter, order, "tasks_due", value, where));
  }
  return ranges;
}

function orderRange(filter: TaskFilter, order: TaskOrder, index: string, value: Sql, where: readonly Sql[]): KeyRange {
  return {
    key: keyOf(order, value),
    from: sql`${tasksBy(index)}${labelJoins(filter, TASK_ID)}`,
    where: [...where, ...nameCondition(filter)],
  };
}

/** What indexes find without regard to the order: quick where there are few. By each label, and last by next run. */
export function taskSelections(filter: TaskFilter, order: TaskOrder, after?: TaskPosition): TaskSelection[] {
  const selections = filter.labels.map((label, index): TaskSelection => {
    return {
      selected: { from: labelTable(index), where: labelCondition(label, index) },
      ranges: labelRanges(filter, index, order, after),
      isCovered: !needsRow(filter, order),
    };
  });
  if (filter.nextRun === undefined) return selections;
  const due = { from: tasksBy("tasks_due"), where: [sql`tasks.state = 'ACTIVE'`, ...nextRunCondition(filter)] };
  const range = {
    key: keyOf(order, VALUES[order.field]),
    from: sql`${due.from}${labelJoins(filter, TASK_ID)}`,
    where: [...due.where, ...nameCondition(filter), ...beyondShown(order, after)],
  };
  const isCovered = filter.nameContains === "" && (order.field === "id" || order.field === "next_run_time");
  return [...selections, { selected: due, ranges: [range], isCovered }];
}

/** The same by a part of the name: all of the index by name is read for it, and no more of the tasks. */
export function taskNameSelection(filter: TaskFilter, order: TaskOrder, after?: TaskPosition): KeyRange | undefined {
  if (filter.nameContains === "") return undefined;
  return {
    key: keyOf(order, VALUES[order.field]),
    from: sql`${tasksBy("tasks_name")}${labelJoins(filter, TASK_ID)}`,
    // Ranges, though they be of all states: the server then looks at the name before it reads the row.
    where: [
      sql`tasks.state IN (${filter.states})`,
      ...nameCondition(filter),
      ...nextRunCondition(filter),
      ...beyondShown(order, after),
    ],
  };
}

/** Tasks by one label, which has them by id. States are looked up by their own index, as that is a small one. */
function labelRanges(filter: TaskFilter, index: number, order: TaskOrder, after?: TaskPosition): KeyRange[] {
  const id = raw(`label${index}.task_id`);
  const label = filter.labels[index] ?? ["", ""];
  const labels = sql`${labelTable(index)}${labelJoins(filter, id, index)}`;
  const where = labelCondition(label, index);
  if (needsRow(filter, order)) {
    const state = isOfAllStates(filter) ? [] : [sql`tasks.state IN (${filter.states})`];
    const rest = [...state, ...nextRunCondition(filter), ...nameCondition(filter), ...beyondShown(order, after)];
    const from = sql`${labels} STRAIGHT_JOIN ${tasksBy("PRIMARY")} ON tasks.id = ${id}`;
    return [{ key: keyOf(order, VALUES[order.field], id), from, where: [...where, ...rest] }];
  }
  const position = beyond(order, id, after);
  if (isOfAllStates(filter)) return [{ key: keyOf(order, id, id), from: labels, where: [...where, ...position] }];
  return filter.states.map((state) => {
    const from = sql`${labels} STRAIGHT_JOIN ${tasksBy("tasks_state")} ON tasks.state = ${state} AND tasks.id = ${id}`;
    return { key: keyOf(order, id, id), from, where: [...where, ...position] };
  });
}

function needsRow({ nameContains, nextRun }: TaskFilter, { field }: TaskOrder): boolean {
  return field !== "id" || nameContains !== "" || nextRun !== undefined;
}

function isOfAllStates({ states }: TaskFilter): boolean {
  return states.length === TASK_STATES.length;
}

function keyOf({ field }: TaskOrder, value: Sql, id = TASK_ID): Sql {
  return field === "id" ? sql`${id} AS page_id` : sql`${id} AS page_id, ${value} AS page_value`;
}

function tasksBy(index: string): Sql {
  return raw(`tasks FORCE INDEX (${index})`);
}

function labelTable(index: number): Sql {
  return raw(`task_labels AS label${index} FORCE INDEX (task_labels_value)`);
}

function labelCondition([name, value]: readonly [string, string], index: number): Sql[] {
  const alias = raw(`label${index}`);
  return [sql`${alias}.name = ${name}`, sql`${alias}.value = ${value}`];
}

/** The labels of the filter, but for one that leads, of a task that was found. */
function labelJoins({ labels }: TaskFilter, taskId: Sql, but?: number): Sql {
  const others = labels.flatMap((label, index) => (index === but ? [] : [{ label, index }]));
  const rest = restCondition(others.slice(JOINED_LABELS), taskId);
  const joins = others.slice(0, JOINED_LABELS).map(({ label, index }, place) => {
    const same = [...labelCondition(label, index), sql`${raw(`label${index}`)}.task_id = ${taskId}`];
    const all = place === JOINED_LABELS - 1 ? [...same, ...rest] : same;
    return sql` STRAIGHT_JOIN ${labelTable(index)} ON ${joinSql(all, " AND ")}`;
  });
  return joinSql(joins, " ");
}

/** A task has a label's name once: as many as are asked for are all of them. */
function restCondition(labels: readonly { readonly label: readonly [string, string] }[], taskId: Sql): Sql[] {
  if (labels.length === 0) return [];
  const pairs = labels.map(({ label: [name, value] }) => sql`(${name}, ${value})`);
  return [
    sql`(SELECT COUNT(*) FROM task_labels AS rest FORCE INDEX (PRIMARY)
      WHERE rest.task_id = ${taskId} AND (rest.name, rest.value) IN (${joinSql(pairs, ", ")})) = ${pairs.length}`,
  ];
}

function nameCondition({ nameContains }: TaskFilter): Sql[] {
  if (nameContains === "") return [];
  const pattern = `%${nameContains.replace(/[\\%_]/g, "\\$&")}%`;
  // Not by a collation that knows no case: those of MariaDB 10.6 take accents, and all emoji, for the same as well.
  return [sql`LOWER(tasks.name) LIKE LOWER(${pattern})`];
}

function nextRunCondition({ nextRun }: TaskFilter): Sql[] {
  return [
    ...(nextRun?.afterMs === undefined ? [] : [sql`tasks.next_run_time > ${toDatetime(nextRun.afterMs)}`]),
    ...(nextRun?.beforeMs === undefined ? [] : [sql`tasks.next_run_time < ${toDatetime(nextRun.beforeMs)}`]),
  ];
}

/** What comes after a position, as two ranges of an index: one within the same value. By id, the value is the id. */
function beyond({ field, descending }: TaskOrder, value: Sql, after: TaskPosition | undefined): Sql[] {
  if (after === undefined) return [];
  const further = raw(descending ? "<" : ">");
  if (field === "id") return [sql`${value} ${further} ${after.id}`];
  return [
    sql`(${value} ${further} ${after.value} OR (${value} = ${after.value} AND ${TASK_ID} ${further} ${after.id}))`,
  ];
}

/** The same where no index helps, with NULL first in ascending order. */
function beyondShown(order: TaskOrder, after: TaskPosition | undefined): Sql[] {
  if (after === undefined) return [];
  const value = VALUES[order.field];
  const further = raw(order.descending ? "<" : ">");
  if (order.field !== "next_run_time") return beyond(order, value, after);
  const sameValue = sql`(${value} <=> ${after.value} AND ${TASK_ID} ${further} ${after.id})`;
  if (after.value === null) return [order.descending ? sameValue : sql`(${sameValue} OR ${value} IS NOT NULL)`];
  const nulls = order.descending ? sql` OR ${value} IS NULL` : sql``;
  return [sql`(${sameValue} OR ${value} ${further} ${after.value}${nulls})`];
}
