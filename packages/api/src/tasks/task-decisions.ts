import {
  countOccurrences,
  firstCursorMs,
  isOccurrence,
  isUnfinished,
  latestOccurrenceMs,
  nextOccurrenceMs,
  ServiceError,
  type TaskState,
} from "@taskscheduler/domain";
import { isReopenable, withdrawn } from "../executions/execution-decisions.js";
import { type ExecutionKey, type ExecutionRow, newExecution } from "../executions/execution-row.js";
import type { Stage, WriteView } from "../writes/write-command.js";
import { asWritten, type TaskInput } from "./task-input.js";
import { etagOf } from "./task-mapper.js";
import { readableScheduleOf, type TaskCursor, type TaskRow } from "./task-row.js";

/** How far a manual run looks for a free millisecond. */
const MANUAL_RUN_CANDIDATES = 32;

/** A new row; its id comes with the insert. Throws TASK_NAME_TAKEN and SCHEDULE_NEVER_FIRES. */
export function decideCreate(input: TaskInput, view: WriteView, path = "task"): TaskRow {
  if (view.names.has(input.name)) throw nameTaken(input.name, path);
  // Field by field: to spread the input costs ten times as much, on the way of every create.
  return {
    id: 0,
    name: input.name,
    scheduledTimeMs: input.scheduledTimeMs,
    recurrence: input.recurrence,
    timeZone: input.timeZone,
    description: input.description,
    labels: input.labels,
    webhook: input.webhook,
    retryPolicy: input.retryPolicy,
    timeoutMs: input.timeoutMs,
    state: "ACTIVE",
    pauseReason: "",
    nextRunTimeMs: cursorOf(input, view.nowMs, path),
    armedTimeMs: view.nowMs,
    runCount: 0,
    lastRunTimeMs: null,
    version: 1,
    createTimeMs: view.nowMs,
    updateTimeMs: view.nowMs,
  };
}

/** Only edits of the schedule and of the target withdraw what is claimed; those of the schedule compute the next occurrence anew. */
export function decideUpdate(current: TaskRow, input: TaskInput, view: WriteView, stage: Stage): TaskRow {
  const taker = view.names.get(input.name);
  if (taker !== undefined && taker !== current.id) throw nameTaken(input.name, "task");
  const { damaged: _, ...readable } = current;
  const edited: TaskRow = { ...readable, ...input };
  if (sameInput(edited, current)) return current;
  const next = rearmed(stamp(edited, view.nowMs), current, view, stage);
  stage.updateTask(next, current);
  return next;
}

function rearmed(row: TaskRow, previous: TaskRow, view: WriteView, stage: Stage): TaskRow {
  const isMended = readableScheduleOf(previous) === undefined && readableScheduleOf(row) !== undefined;
  if (isMended || !sameSchedule(row, previous)) return rearm(row, previous, view, stage);
  if (sameTarget(row, previous)) return row;
  const returned = withdrawClaims(row.id, "the target was changed", view, stage);
  return { ...row, nextRunTimeMs: earliest([row.nextRunTimeMs, ...returned]) };
}

function rearm(row: TaskRow, previous: TaskRow, view: WriteView, stage: Stage): TaskRow {
  recordDue(previous, "the schedule was changed", view, stage);
  withdrawClaims(row.id, "the schedule was changed", view, stage);
  const state: TaskState = row.state === "COMPLETED" ? "ACTIVE" : row.state;
  return { ...row, state, armedTimeMs: view.nowMs, nextRunTimeMs: cursorOf(row, view.nowMs, "task") };
}

export function decideDelete(current: TaskRow, view: WriteView, stage: Stage): void {
  recordDue(current, "the task was deleted", view, stage);
  for (const row of view.unfinishedOf(current.id)) {
    // What runs goes on. A reminder that is due and claimed runs in these moments; a call may wait for its turn for long.
    const isDueClaim = row.state === "CLAIMED" && (row.retryTimeMs ?? row.scheduledTimeMs) <= view.nowMs;
    if (row.state === "RUNNING" || (isDueClaim && current.webhook === null)) continue;
    stage.saveExecution(withdrawn(row, "the task was deleted", view.nowMs));
  }
  stage.deleteTask(current);
}

/** A claim that is withdrawn gives its occurrence back to the cursor: it counts as missed if the pause outlasts it. */
export function decidePause(current: TaskRow, reason: string, view: WriteView, stage: Stage): TaskRow {
  if (current.state === "COMPLETED") throw completed(current.id);
  // Sent again, or without a reason, it says nothing new.
  const isSame = current.state === "PAUSED" && (reason === "" || current.pauseReason === reason);
  if (isSame && !current.damaged?.includes("state")) return current;
  const returned = withdrawClaims(current.id, "the task was paused", view, stage);
  const next: TaskRow = {
    ...stamp(current, view.nowMs),
    state: "PAUSED",
    pauseReason: reason,
    nextRunTimeMs: earliest([current.nextRunTimeMs, ...returned]),
  };
  stage.updateTask(next, current);
  return next;
}

export function decideResume(current: TaskRow, view: WriteView, stage: Stage): TaskRow {
  if (current.state === "COMPLETED") throw completed(current.id);
  if (current.state === "ACTIVE") return current;
  const next: TaskRow = { ...stamp(current, view.nowMs), state: "ACTIVE", pauseReason: "" };
  stage.updateTask(next, current);
  return next;
}

/** The instants that a manual run may be given, all of which it must see. */
export function manualRunCandidates(taskId: number, nowMs: number): ExecutionKey[] {
  return Array.from({ length: MANUAL_RUN_CANDIDATES }, (_, index) => ({ taskId, scheduledTimeMs: nowMs + index }));
}

/** The first millisecond that is neither in the ledger nor an occurrence. */
export function decideRun(task: TaskRow, view: WriteView, stage: Stage): ExecutionRow {
  const schedule = readableScheduleOf(task);
  const key = manualRunCandidates(task.id, view.nowMs).find(
    (candidate) =>
      view.execution(candidate) === undefined &&
      candidate.scheduledTimeMs !== task.nextRunTimeMs &&
      !(schedule !== undefined && isOccurrence(schedule, candidate.scheduledTimeMs)),
  );
  if (key === undefined) throw new ServiceError("TOO_MANY_REQUESTS", "the task is run too often; try again");
  const row = newExecution(key, task.name, "MANUAL", "PENDING");
  stage.saveExecution(row);
  return row;
}

/** Throws TASK_NOT_FOUND and, when an etag is given that is not the current one, ETAG_MISMATCH. */
export function taskOf(view: WriteView, id: number, etag = ""): TaskRow {
  const row = view.tasks.get(id);
  if (row === undefined) throw taskNotFound(id);
  if (etag !== "" && etag !== etagOf(row)) {
    throw new ServiceError("ETAG_MISMATCH", `task ${id} has changed since; read it again`);
  }
  return row;
}

export function taskNotFound(id: number): ServiceError {
  return new ServiceError("TASK_NOT_FOUND", `there is no task ${id}`);
}

function nameTaken(name: string, path: string): ServiceError {
  return new ServiceError("TASK_NAME_TAKEN", `there is a task named ${JSON.stringify(name)} already`, {
    violations: [{ field: `${path}.name`, description: "is taken" }],
  });
}

function completed(id: number): ServiceError {
  return new ServiceError("TASK_COMPLETED", `task ${id} is completed; give it a later scheduled_time`);
}

function cursorOf(input: TaskInput, nowMs: number, path: string): number {
  const schedule = readableScheduleOf(input);
  if (schedule === undefined) throw unreadable(input, path);
  const cursor = firstCursorMs(schedule, nowMs);
  if (cursor !== undefined) return cursor;
  const description = "the schedule has no occurrence from now to the year 9999";
  throw new ServiceError("SCHEDULE_NEVER_FIRES", description, {
    violations: [{ field: `${path}.scheduled_time`, description }],
  });
}

/** The update sets a part of a schedule of which another part is damaged. */
function unreadable({ damaged = [] }: TaskInput, path: string): ServiceError {
  const fields = Object.entries({ scheduled_time: "scheduledTimeMs", recurrence: "recurrence", time_zone: "timeZone" });
  const violations = fields
    .filter(([, attribute]) => damaged.includes(attribute))
    .map(([name]) => ({ field: `${path}.${name}`, description: "cannot be read in the database; set it as well" }));
  return new ServiceError("INVALID_FIELD", violations.map((v) => `${v.field}: ${v.description}`).join("; "), {
    violations,
  });
}

/** Takes back the claims that are not due yet. @returns their scheduled times */
function withdrawClaims(taskId: number, why: string, view: WriteView, stage: Stage): number[] {
  const open = view
    .unfinishedOf(taskId)
    .filter((row) => row.state === "CLAIMED" && row.trigger !== "MANUAL" && row.scheduledTimeMs > view.nowMs);
  for (const row of open) stage.saveExecution(withdrawn(row, why, view.nowMs));
  return open.map((row) => row.scheduledTimeMs);
}

/** The target says that it will never answer again: whoever put the task there is to see to it. */
export function pauseGone(current: TaskRow, view: WriteView, stage: Stage): TaskRow {
  return decidePause(current, "the target answered 410 Gone", view, stage);
}

/** What is due, and nobody has claimed, would go without a row when its cursor goes. */
function recordDue(task: TaskRow, why: string, view: WriteView, stage: Stage): void {
  const cursorMs = task.nextRunTimeMs;
  if (task.state !== "ACTIVE" || cursorMs === null || cursorMs > view.nowMs) return;
  const key = { taskId: task.id, scheduledTimeMs: cursorMs };
  const existing = view.execution(key);
  if (isSettled(existing)) return;
  const schedule = readableScheduleOf(task);
  const latestMs = schedule === undefined ? undefined : latestOccurrenceMs(schedule, view.nowMs);
  const lastMs = Math.max(cursorMs, latestMs ?? cursorMs);
  stage.saveExecution({
    ...newExecution(key, task.name, "SCHEDULE", "MISSED"),
    fence: (existing?.fence ?? 0) + 1,
    endTimeMs: view.nowMs,
    missedCount: 1 + (schedule === undefined ? 0 : countOccurrences(schedule, cursorMs + 1, lastMs)),
    missedUntilMs: lastMs,
    error: `nothing had run it when ${why}`,
  });
}

/** The row of the occurrence at the cursor, which an edit or a deletion must see. */
export function cursorKey(task: TaskRow | undefined): ExecutionKey[] {
  if (task === undefined || task.nextRunTimeMs === null) return [];
  return [{ taskId: task.id, scheduledTimeMs: task.nextRunTimeMs }];
}

/** Whether a row of the ledger already says what became of an occurrence. */
export function isSettled(row: ExecutionRow | undefined): boolean {
  return row !== undefined && (isUnfinished(row.state) || !isReopenable(row));
}

/** Where the cursor goes after an occurrence that ran although it had been given back to it. */
export function cursorAfter(task: TaskCursor, scheduledTimeMs: number): number | null {
  const schedule = readableScheduleOf(task);
  if (task.nextRunTimeMs !== scheduledTimeMs || schedule === undefined) return task.nextRunTimeMs;
  return nextOccurrenceMs(schedule, scheduledTimeMs) ?? null;
}

function stamp(row: TaskRow, nowMs: number): TaskRow {
  return asWritten({ ...row, version: row.version + 1, updateTimeMs: nowMs });
}

function earliest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time): time is number => time !== null);
  return known.length === 0 ? null : Math.min(...known);
}

function sameSchedule(a: TaskInput, b: TaskInput): boolean {
  const same = (a.recurrence ?? "ONCE") === (b.recurrence ?? "ONCE");
  return same && a.scheduledTimeMs === b.scheduledTimeMs && a.timeZone === b.timeZone;
}

function sameTarget(a: TaskInput, b: TaskInput): boolean {
  const text = ({ webhook, retryPolicy, timeoutMs }: TaskInput) =>
    JSON.stringify([
      webhook && { ...webhook, headers: Object.entries(webhook.headers).sort() },
      retryPolicy,
      timeoutMs,
    ]);
  return text(a) === text(b);
}

function sameInput(a: TaskInput, b: TaskInput): boolean {
  const labels = (input: TaskInput) => JSON.stringify(Object.entries(input.labels).sort());
  return (
    a.damaged?.length === b.damaged?.length &&
    sameSchedule(a, b) &&
    sameTarget(a, b) &&
    a.recurrence === b.recurrence &&
    a.name === b.name &&
    a.description === b.description &&
    labels(a) === labels(b)
  );
}
