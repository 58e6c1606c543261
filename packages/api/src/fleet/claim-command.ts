import { create } from "@bufbuild/protobuf";
import { isUnfinished, ServiceError, type Settlement, settle } from "@taskscheduler/domain";
import {
  type ClaimExecutionsRequest,
  type ClaimExecutionsResponse,
  ClaimExecutionsResponseSchema,
  type ClaimResult,
  ClaimResultSchema,
  type Grant,
  GrantSchema,
} from "@taskscheduler/proto";
import { type ExecutionKey, type ExecutionRow, newExecution } from "../executions/execution-row.js";
import { isReopenable, isSettled } from "../tasks/task-decisions.js";
import { scheduleOf, type TaskRow } from "../tasks/task-row.js";
import type { Stage, WriteCommand, WriteView } from "../writes/write-command.js";
import type { Due } from "./due-store.js";

/** What is claimed further ahead than this is refused: schedulers claim two seconds ahead. */
const CLAIM_AHEAD_MS = 10_000;
/** A next occurrence within this time is told with the claim's answer; the feed tells those that are later. */
const NEXT_TOLD_MS = 120_000;

export interface ClaimRules {
  /** Later than this is missed. */
  readonly missedAfterMs: number;
  readonly catchUpWindowMs: number;
}

/**
 * Grants occurrences to an incarnation. A claim that is sent again gives the same grant. What was missed meanwhile is
 * settled here, once, whoever asks.
 */
export function claimCommand(
  request: ClaimExecutionsRequest,
  rules: ClaimRules,
  onDefect: (error: unknown, taskId: number) => void,
): WriteCommand<ClaimExecutionsResponse> {
  const occurrences = request.occurrences.map(
    (occurrence): Due => ({
      taskId: occurrence.taskId,
      scheduledTimeMs: Number(occurrence.scheduledTimeMs),
      recorded: occurrence.recorded,
    }),
  );
  const taskIds = [...new Set(occurrences.map((occurrence) => occurrence.taskId))];
  return {
    keys: taskIds.map((id) => `task:${id}`),
    weight: occurrences.length,
    validateOnly: false,
    needs: { taskIds, incarnations: true },
    executionsNeeded: (view) => occurrences.flatMap((occurrence) => keysOf(occurrence, view, rules)),
    decide(view, stage) {
      const schedulerId = view.incarnations.get(request.incarnation);
      if (schedulerId === undefined) throw incarnationEnded(request.incarnation);
      const claimant = { incarnation: request.incarnation, schedulerId };
      const tasks = new Map(view.tasks);
      const results = occurrences.map((occurrence) => {
        try {
          return claim(occurrence, claimant, rules, view, tasks, stage);
        } catch (error) {
          // One that cannot be judged must not hold up those that are due with it.
          onDefect(error, occurrence.taskId);
          return create(ClaimResultSchema);
        }
      });
      return () => create(ClaimExecutionsResponseSchema, { results });
    },
  };
}

export function incarnationEnded(incarnation: number): ServiceError {
  return new ServiceError("INCARNATION_ENDED", `incarnation ${incarnation} has ended; register again`);
}

interface Claimant {
  readonly incarnation: number;
  readonly schedulerId: string;
}

/** The settlement of a task whose own next occurrence is asked for; undefined when it is another by now, or too early. */
function settlementOf(
  occurrence: Due,
  task: TaskRow | undefined,
  nowMs: number,
  rules: ClaimRules,
): Settlement | undefined {
  if (occurrence.recorded || task?.state !== "ACTIVE" || task.nextRunTimeMs !== occurrence.scheduledTimeMs)
    return undefined;
  if (occurrence.scheduledTimeMs > nowMs + CLAIM_AHEAD_MS) return undefined;
  return settle({
    schedule: scheduleOf(task),
    cursorMs: occurrence.scheduledTimeMs,
    armedMs: task.armedTimeMs,
    nowMs,
    ...rules,
  });
}

function keysOf(occurrence: Due, view: WriteView, rules: ClaimRules): ExecutionKey[] {
  const { taskId } = occurrence;
  let settlement: Settlement | undefined;
  try {
    settlement = settlementOf(occurrence, view.tasks.get(taskId), view.nowMs, rules);
  } catch {
    // The claim, which judges the same again, says why.
  }
  const times = [occurrence.scheduledTimeMs, settlement?.run?.scheduledTimeMs, settlement?.missed?.firstMs];
  return times.flatMap((scheduledTimeMs) => (scheduledTimeMs === undefined ? [] : [{ taskId, scheduledTimeMs }]));
}

function claim(
  occurrence: Due,
  claimant: Claimant,
  rules: ClaimRules,
  view: WriteView,
  tasks: Map<number, TaskRow>,
  stage: Stage,
): ClaimResult {
  const task = tasks.get(occurrence.taskId);
  const row = view.execution(occurrence);
  if (row !== undefined && isUnfinished(row.state)) {
    const grant = takeRecorded(row, claimant, rules, view, task, stage);
    if (grant !== undefined || task?.nextRunTimeMs !== occurrence.scheduledTimeMs)
      return result(grant, task, view.nowMs);
  }
  const settlement = settlementOf(occurrence, task, view.nowMs, rules);
  if (task === undefined || settlement === undefined) return result(undefined, task, view.nowMs);
  const granted = grantRun(task, settlement, claimant, view, stage);
  recordMissed(task, settlement, view, stage);
  const nextRunTimeMs = settlement.nextMs ?? null;
  const ended = nextRunTimeMs === null && granted === undefined;
  const moved: TaskRow = { ...task, nextRunTimeMs, state: ended ? "COMPLETED" : task.state };
  stage.moveTask(moved);
  tasks.set(task.id, moved);
  return result(granted, moved, view.nowMs);
}

/** A row that waits for anyone, or that its scheduler left behind. */
function takeRecorded(
  row: ExecutionRow,
  claimant: Claimant,
  rules: ClaimRules,
  view: WriteView,
  task: TaskRow | undefined,
  stage: Stage,
): Grant | undefined {
  const held = row.state === "CLAIMED" || row.state === "RUNNING";
  if (held && row.incarnation === claimant.incarnation) return grantOf(row);
  if (held && row.incarnation !== null && view.incarnations.has(row.incarnation)) return undefined;
  if (held && row.trigger !== "MANUAL" && isGivenUp(row, rules, view.nowMs, task)) {
    const error = "its scheduler died, and its time had gone by when another could take over";
    const missed = { missedCount: 1, missedUntilMs: row.scheduledTimeMs };
    stage.saveExecution({ ...row, ...missed, state: "MISSED", fence: row.fence + 1, endTimeMs: view.nowMs, error });
    if (task !== undefined && task.nextRunTimeMs === null && task.state === "ACTIVE") {
      stage.moveTask({ ...task, state: "COMPLETED" });
    }
    return undefined;
  }
  return grant(row, row.attempt + 1, claimant, view.nowMs, stage);
}

/** A take-over follows the misfire policy as well: the latest one due runs, within the window. */
function isGivenUp(row: ExecutionRow, rules: ClaimRules, nowMs: number, task: TaskRow | undefined): boolean {
  if (row.startTimeMs !== null) return false;
  const laterDue = task?.state === "ACTIVE" && task.nextRunTimeMs !== null && task.nextRunTimeMs <= nowMs;
  return laterDue || nowMs - row.scheduledTimeMs > rules.catchUpWindowMs;
}

function grantRun(
  task: TaskRow,
  settlement: Settlement,
  claimant: Claimant,
  view: WriteView,
  stage: Stage,
): Grant | undefined {
  if (settlement.run === undefined) return undefined;
  const key = { taskId: task.id, scheduledTimeMs: settlement.run.scheduledTimeMs };
  const existing = view.execution(key);
  if (isSettled(existing)) return undefined;
  const fresh = newExecution(key, task.name, settlement.run.trigger, "CLAIMED");
  return grant({ ...fresh, fence: existing?.fence ?? 0 }, 1, claimant, view.nowMs, stage);
}

function recordMissed(task: TaskRow, settlement: Settlement, view: WriteView, stage: Stage): void {
  const { missed } = settlement;
  if (missed === undefined) return;
  const key = { taskId: task.id, scheduledTimeMs: missed.firstMs };
  const existing = view.execution(key);
  if (existing !== undefined && !isReopenable(existing)) return;
  stage.saveExecution({
    ...newExecution(key, task.name, "SCHEDULE", "MISSED"),
    fence: (existing?.fence ?? 0) + 1,
    endTimeMs: view.nowMs,
    missedCount: missed.count,
    missedUntilMs: missed.lastMs,
    error: "nothing ran it at its time",
  });
}

function grant(row: ExecutionRow, attempt: number, claimant: Claimant, nowMs: number, stage: Stage): Grant {
  const claimed: ExecutionRow = {
    ...row,
    ...claimant,
    state: "CLAIMED",
    attempt,
    fence: row.fence + 1,
    claimTimeMs: nowMs,
  };
  stage.saveExecution(claimed);
  return grantOf(claimed);
}

export function grantOf(row: Pick<ExecutionRow, "taskId" | "scheduledTimeMs" | "fence" | "attempt">): Grant {
  return create(GrantSchema, {
    taskId: row.taskId,
    scheduledTimeMs: BigInt(row.scheduledTimeMs),
    fence: row.fence,
    attempt: row.attempt,
  });
}

function result(granted: Grant | undefined, task: TaskRow | undefined, nowMs: number): ClaimResult {
  const next = task?.state === "ACTIVE" ? task.nextRunTimeMs : null;
  return create(ClaimResultSchema, {
    ...(granted === undefined ? {} : { grant: granted }),
    ...(next === null || next > nowMs + NEXT_TOLD_MS ? {} : { nextScheduledTimeMs: BigInt(next) }),
  });
}
