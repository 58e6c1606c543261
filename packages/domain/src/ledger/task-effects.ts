import { compileReadableSchedule, type ReadRow } from "../schedule/readable-schedule.js";
import type { Recurrence } from "../schedule/recurrence.js";
import type { ExecutionRow } from "./execution-row.js";
import type { TaskState } from "./states.js";

/** The changes that a transition asks of the execution's task. */
export interface TaskEffects {
  /** Added to the task's run count. A run that ended also takes the task past its occurrence. */
  readonly runs: -1 | 0 | 1;
  /** The execution has ended: the task is completed where nothing is left to run. */
  readonly mayComplete: boolean;
  /** The target said that it is gone for good: an active task is paused. */
  readonly pausesTask: boolean;
}

export const NO_EFFECTS: TaskEffects = { runs: 0, mayComplete: false, pausesTask: false };
/** The execution ended without a run. */
export const ENDED: TaskEffects = { runs: 0, mayComplete: true, pausesTask: false };
export const RAN: TaskEffects = { runs: 1, mayComplete: true, pausesTask: false };
export const RAN_AND_TARGET_GONE: TaskEffects = { runs: 1, mayComplete: true, pausesTask: true };
/** A run that was counted is made again. */
export const RUNS_AGAIN: TaskEffects = { runs: -1, mayComplete: false, pausesTask: false };

/** The fields of a task that its executions move, and its schedule. */
export interface LedgerTask extends ReadRow {
  readonly state: TaskState;
  readonly nextRunTimeMs: number | null;
  readonly runCount: number;
  readonly lastRunTimeMs: number | null;
  readonly scheduledTimeMs: number;
  readonly recurrence: Recurrence | null;
  readonly timeZone: string;
}

/** Applies all effects but the pause, which is a change that users see. @returns the same task when nothing changes */
export function applyEffects<T extends LedgerTask>(task: T, row: ExecutionRow, effects: TaskEffects): T {
  if (effects.runs === 1) return countRun(task, row);
  if (effects.runs === -1) return uncountRun(task, row);
  if (!effects.mayComplete || row.trigger === "MANUAL" || !isCompleted(task.state, task.nextRunTimeMs, false))
    return task;
  return { ...task, state: "COMPLETED" };
}

/**
 * Takes a task past the occurrences that were settled.
 *
 * @param nextMs its next occurrence; null: there is none
 * @param hasClaim whether an execution was claimed, which now decides when the task is completed
 */
export function passOccurrences<T extends LedgerTask>(task: T, nextMs: number | null, hasClaim: boolean): T {
  const passed: T = { ...task, nextRunTimeMs: nextMs };
  return !hasClaim && isCompleted(task.state, nextMs, false) ? { ...passed, state: "COMPLETED" } : passed;
}

function countRun<T extends LedgerTask>(task: T, { trigger, scheduledTimeMs }: ExecutionRow): T {
  const isManual = trigger === "MANUAL";
  const nextRunTimeMs = isManual ? task.nextRunTimeMs : nextAfter(task, scheduledTimeMs);
  const state = !isManual && isCompleted(task.state, nextRunTimeMs, true) ? "COMPLETED" : task.state;
  return { ...task, nextRunTimeMs, state, runCount: task.runCount + 1, lastRunTimeMs: scheduledTimeMs };
}

/** The task has not run to its end after all. */
function uncountRun<T extends LedgerTask>(task: T, { trigger }: ExecutionRow): T {
  const isReopened = task.state === "COMPLETED" && trigger !== "MANUAL";
  return { ...task, state: isReopened ? "ACTIVE" : task.state, runCount: Math.max(0, task.runCount - 1) };
}

/** A withdrawn occurrence is the task's next one again. Where it ran all the same, the next one follows it. */
function nextAfter(task: LedgerTask, scheduledTimeMs: number): number | null {
  if (task.nextRunTimeMs !== scheduledTimeMs) return task.nextRunTimeMs;
  const schedule = compileReadableSchedule(task);
  return schedule === undefined ? task.nextRunTimeMs : (schedule.next(scheduledTimeMs)?.timeMs ?? null);
}

/** Whether a task is COMPLETED, decided here alone. A paused task is completed by a run, and by nothing else. */
function isCompleted(state: TaskState, nextRunTimeMs: number | null, hasRun: boolean): boolean {
  return nextRunTimeMs === null && (hasRun || state === "ACTIVE");
}
