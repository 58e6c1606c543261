import { type ExecutionRow, executionKeyText, isUnfinished, newExecution } from "@taskscheduler/domain";
import { cursorOfTask, type TaskRow } from "../tasks/task-row.js";
import type { WriteView } from "./write-command.js";

export const NOW_MS = Date.UTC(2026, 10, 23, 12);
export const DAY_MS = 86_400_000;

/** A task that falls due at `NOW_MS`. */
export function taskRow(changes: Partial<TaskRow> = {}): TaskRow {
  return {
    id: 7,
    name: "seven",
    scheduledTimeMs: NOW_MS,
    recurrence: null,
    timeZone: "UTC",
    description: "",
    labels: {},
    webhook: null,
    retryPolicy: null,
    timeoutMs: 0,
    state: "ACTIVE",
    pauseReason: "",
    nextRunTimeMs: NOW_MS,
    armedTimeMs: NOW_MS - 10 * DAY_MS,
    runCount: 0,
    lastRunTimeMs: null,
    version: 1,
    createTimeMs: NOW_MS - 10 * DAY_MS,
    updateTimeMs: NOW_MS - 10 * DAY_MS,
    ...changes,
  };
}

/** A claim of incarnation 1 on the occurrence at `NOW_MS`. */
export function executionRow(changes: Partial<ExecutionRow> = {}): ExecutionRow {
  return {
    ...newExecution({ taskId: 7, scheduledTimeMs: NOW_MS }, "seven", "SCHEDULE"),
    state: "CLAIMED",
    attempt: 1,
    fence: 1,
    incarnation: 1,
    schedulerId: "one",
    claimTimeMs: NOW_MS - 1_000,
    ...changes,
  };
}

/** What a command sees of these rows. Incarnations 1 and 2 live. */
export function viewOf(
  tasks: readonly TaskRow[],
  executions: readonly ExecutionRow[] = [],
  changes: Partial<WriteView> = {},
): WriteView {
  const byKey = new Map(executions.map((row) => [executionKeyText(row), row]));
  return {
    nowMs: NOW_MS,
    tasks: new Map(tasks.map((row) => [row.id, row])),
    cursors: new Map(tasks.map((row) => [row.id, cursorOfTask(row)])),
    webhooks: new Map(tasks.flatMap(({ id, webhook }) => (webhook === null ? [] : [[id, webhook]]))),
    names: new Map(tasks.map((row) => [row.name, row.id])),
    incarnations: new Map([
      [1, "one"],
      [2, "two"],
    ]),
    execution: (key) => byKey.get(executionKeyText(key)),
    unfinishedOf: (taskId) => executions.filter((row) => row.taskId === taskId && isUnfinished(row.state)),
    ...changes,
  };
}
