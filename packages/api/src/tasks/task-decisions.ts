import {
  compileReadableSchedule,
  type ExecutionKey,
  type ExecutionRow,
  isClaimedAhead,
  isOccurrence,
  isSameSchedule,
  isWithdrawnByDeletion,
  MISSED_COUNT_CAP,
  newExecution,
  openOccurrence,
  ServiceError,
  type TaskState,
  transition,
  type WithdrawalReason,
} from "@taskscheduler/domain";
import type { Stage, WriteView } from "../writes/write-command.js";
import { asWritten, type TaskInput } from "./task-input.js";
import { etagOf } from "./task-mapper.js";
import type { TaskRow } from "./task-row.js";

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
  const isMended = compileReadableSchedule(previous) === undefined && compileReadableSchedule(row) !== undefined;
  if (isMended || !isSameSchedule(row, previous)) return rearm(row, previous, view, stage);
  if (sameTarget(row, previous)) return row;
  const returned = withdrawClaims(row.id, "TARGET_CHANGED", view, stage);
  return { ...row, nextRunTimeMs: earliest([row.nextRunTimeMs, ...returned]) };
}

function rearm(row: TaskRow, previous: TaskRow, view: WriteView, stage: Stage): TaskRow {
  recordDue(previous, "SCHEDULE_CHANGED", view, stage);
  withdrawClaims(row.id, "SCHEDULE_CHANGED", view, stage);
  const state: TaskState = row.state === "COMPLETED" ? "ACTIVE" : row.state;
  return { ...row, state, armedTimeMs: view.nowMs, nextRunTimeMs: cursorOf(row, view.nowMs, "task") };
}

export function decideDelete(current: TaskRow, view: WriteView, stage: Stage): void {
  const { nowMs } = view;
  recordDue(current, "TASK_DELETED", view, stage);
  for (const row of view.unfinishedOf(current.id)) {
    if (!isWithdrawnByDeletion(row, current.webhook === null, nowMs)) continue;
    withdraw(row, "TASK_DELETED", nowMs, stage);
  }
  stage.deleteTask(current);
}

/** A claim that is withdrawn gives its occurrence back to the cursor: it counts as missed if the pause outlasts it. */
export function decidePause(current: TaskRow, reason: string, view: WriteView, stage: Stage): TaskRow {
  if (current.state === "COMPLETED") throw completed(current.id);
  // Sent again, or without a reason, it says nothing new.
  const isSame = current.state === "PAUSED" && (reason === "" || current.pauseReason === reason);
  if (isSame && !current.damaged?.includes("state")) return current;
  const returned = withdrawClaims(current.id, "TASK_PAUSED", view, stage);
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
  const schedule = compileReadableSchedule(task);
  const key = manualRunCandidates(task.id, view.nowMs).find(
    (candidate) =>
      view.execution(candidate) === undefined &&
      candidate.scheduledTimeMs !== task.nextRunTimeMs &&
      !(schedule !== undefined && isOccurrence(schedule, candidate.scheduledTimeMs)),
  );
  if (key === undefined) throw new ServiceError("TOO_MANY_REQUESTS", "the task is run too often; try again");
  const row = newExecution(key, task.name, "MANUAL");
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
  const schedule = compileReadableSchedule(input);
  if (schedule === undefined) throw unreadable(input, path);
  const cursor = schedule.first(nowMs)?.timeMs;
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

/** Takes back the claims that are not due yet. @returns their scheduled times, which are the task's to run again */
function withdrawClaims(taskId: number, reason: WithdrawalReason, view: WriteView, stage: Stage): number[] {
  const ahead = view.unfinishedOf(taskId).filter((row) => isClaimedAhead(row, view.nowMs));
  for (const row of ahead) withdraw(row, reason, view.nowMs, stage);
  return ahead.map((row) => row.scheduledTimeMs);
}

/** The change that withdraws the execution writes its task: the effects on the task are part of that change. */
function withdraw(row: ExecutionRow, reason: WithdrawalReason, nowMs: number, stage: Stage): void {
  const next = transition(row, { type: "WITHDRAW", reason, nowMs });
  if (next !== undefined) stage.saveExecution(next.row);
}

/** The target says that it will never answer again: whoever put the task there is to see to it. */
export function pauseGone(current: TaskRow, view: WriteView, stage: Stage): TaskRow {
  return decidePause(current, "the target answered 410 Gone", view, stage);
}

/** Records the due occurrences that nobody has claimed: without a row they would be lost with the task's next time. */
function recordDue(task: TaskRow, reason: "SCHEDULE_CHANGED" | "TASK_DELETED", view: WriteView, stage: Stage): void {
  const cursorMs = task.nextRunTimeMs;
  if (task.state !== "ACTIVE" || cursorMs === null || cursorMs > view.nowMs) return;
  const key = { taskId: task.id, scheduledTimeMs: cursorMs };
  const row = openOccurrence(view.execution(key), key, task.name, "SCHEDULE");
  if (row === undefined) return;
  const schedule = compileReadableSchedule(task);
  const untilMs = Math.max(cursorMs, schedule?.latest(view.nowMs)?.timeMs ?? cursorMs);
  const count = 1 + (schedule?.count(cursorMs + 1, untilMs, MISSED_COUNT_CAP).count ?? 0);
  const next = transition(row, { type: "MISS", reason, nowMs: view.nowMs, count, untilMs });
  if (next !== undefined) stage.saveExecution(next.row);
}

/** The row of the occurrence at the cursor, which an edit or a deletion must see. */
export function cursorKey(task: TaskRow | undefined): ExecutionKey[] {
  if (task === undefined || task.nextRunTimeMs === null) return [];
  return [{ taskId: task.id, scheduledTimeMs: task.nextRunTimeMs }];
}

function stamp(row: TaskRow, nowMs: number): TaskRow {
  return asWritten({ ...row, version: row.version + 1, updateTimeMs: nowMs });
}

function earliest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time): time is number => time !== null);
  return known.length === 0 ? null : Math.min(...known);
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
    isSameSchedule(a, b) &&
    sameTarget(a, b) &&
    a.recurrence === b.recurrence &&
    a.name === b.name &&
    a.description === b.description &&
    labels(a) === labels(b)
  );
}
