import { create } from "@bufbuild/protobuf";
import { isHeld, isUnfinished, ServiceError, type Settlement, settle } from "@taskscheduler/domain";
import {
  type ClaimExecutionsRequest,
  type ClaimExecutionsResponse,
  ClaimExecutionsResponseSchema,
  type ClaimResult,
  ClaimResultSchema,
  type Grant,
} from "@taskscheduler/proto";
import { runningAttempt, withAttempt } from "../executions/attempts.js";
import {
  endWithoutRun,
  hasBegun,
  isReopenable,
  leftBehind,
  missed,
  withdrawn,
} from "../executions/execution-decisions.js";
import { type ExecutionKey, type ExecutionRow, newExecution } from "../executions/execution-row.js";
import { isSettled } from "../tasks/task-decisions.js";
import { readableScheduleOf, type TaskCursor } from "../tasks/task-row.js";
import type { Stage, WriteCommand, WriteView } from "../writes/write-command.js";
import type { Due } from "./due-store.js";
import { callsTarget, GrantedBytes, grantOf, webhooksWithin } from "./grant.js";

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
    needs: { cursorsOf: taskIds, incarnations: true },
    executionsNeeded: (view) => occurrences.flatMap((occurrence) => keysOf(occurrence, view, rules)),
    webhooksNeeded: (view) => webhooksWithin(occurrences.map(({ taskId }) => view.cursors.get(taskId))),
    decide(view, stage) {
      const schedulerId = view.incarnations.get(request.incarnation);
      if (schedulerId === undefined) throw incarnationEnded(request.incarnation);
      const claimant = { incarnation: request.incarnation, schedulerId };
      const claiming: Claiming = {
        claimant,
        rules,
        view,
        tasks: new Map(view.cursors),
        stage,
        granted: new GrantedBytes(),
      };
      const results = occurrences.map((occurrence) => {
        try {
          const claimed = claim(occurrence, claiming);
          claiming.granted.add(claimed.grant);
          return claimed;
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

/** What the claims of a request share. */
interface Claiming {
  readonly claimant: { readonly incarnation: number; readonly schedulerId: string };
  readonly rules: ClaimRules;
  readonly view: WriteView;
  /** As the claims so far have left them. */
  readonly tasks: Map<number, TaskCursor>;
  readonly stage: Stage;
  readonly granted: GrantedBytes;
}

/** The settlement of a task whose own next occurrence is asked for; undefined when it is another by now, or too early. */
function settlementOf(
  occurrence: Due,
  task: TaskCursor | undefined,
  nowMs: number,
  rules: ClaimRules,
): Settlement | undefined {
  if (occurrence.recorded || task?.state !== "ACTIVE" || task.nextRunTimeMs !== occurrence.scheduledTimeMs)
    return undefined;
  if (occurrence.scheduledTimeMs > nowMs + CLAIM_AHEAD_MS) return undefined;
  const schedule = readableScheduleOf(task);
  if (schedule === undefined) throw new Error("the schedule of the task cannot be read");
  return settle({
    schedule,
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
    settlement = settlementOf(occurrence, view.cursors.get(taskId), view.nowMs, rules);
  } catch {
    // The claim, which judges the same again, says why.
  }
  const times = [occurrence.scheduledTimeMs, settlement?.run?.scheduledTimeMs, settlement?.missed?.firstMs];
  return times.flatMap((scheduledTimeMs) => (scheduledTimeMs === undefined ? [] : [{ taskId, scheduledTimeMs }]));
}

function claim(occurrence: Due, claiming: Claiming): ClaimResult {
  const { rules, view, tasks, stage } = claiming;
  const task = tasks.get(occurrence.taskId);
  const hasRoom = !claiming.granted.isFull && view.webhooks.has(occurrence.taskId);
  if (callsTarget(task) && !hasRoom) return create(ClaimResultSchema, { askAgain: true });
  const row = view.execution(occurrence);
  if (row !== undefined && isUnfinished(row.state)) {
    const grant = takeRecorded(row, task, claiming);
    if (grant !== undefined || task?.nextRunTimeMs !== occurrence.scheduledTimeMs)
      return result(grant, task, view.nowMs);
  }
  const settlement = settlementOf(occurrence, task, view.nowMs, rules);
  if (task === undefined || settlement === undefined) return result(undefined, task, view.nowMs);
  const granted = grantRun(task, settlement, claiming);
  recordMissed(task, settlement, claiming);
  const nextRunTimeMs = settlement.nextMs ?? null;
  const ended = nextRunTimeMs === null && granted === undefined;
  const moved: TaskCursor = { ...task, nextRunTimeMs, state: ended ? "COMPLETED" : task.state };
  stage.moveTask(moved);
  tasks.set(task.id, moved);
  return result(granted, moved, view.nowMs);
}

/** A row that waits for anyone, or that its scheduler left behind. */
function takeRecorded(row: ExecutionRow, task: TaskCursor | undefined, claiming: Claiming): Grant | undefined {
  const { claimant, rules, view, stage } = claiming;
  const held = isHeld(row.state);
  if (held && row.incarnation === claimant.incarnation) return grantOf(row, task, view.webhooks.get(row.taskId));
  if (held && row.incarnation !== null && view.incarnations.has(row.incarnation)) return undefined;
  if ((row.retryTimeMs ?? 0) > view.nowMs + CLAIM_AHEAD_MS) return undefined;
  if (task === undefined) {
    stage.saveExecution(row.state === "RUNNING" ? orphaned(row, view.nowMs) : leftBehind(row, view.nowMs));
    return undefined;
  }
  const given = givenUp(row, held, rules, view.nowMs, task);
  if (given !== undefined) {
    endWithoutRun(given, task, stage);
    return undefined;
  }
  return grant(held ? lost(row, view.nowMs) : row, row.attempt + 1, task, claiming);
}

/** It had begun, nobody knows how it ended, and there is nothing to run again. */
function orphaned(row: ExecutionRow, nowMs: number): ExecutionRow {
  const error = "its scheduler died, and its task was deleted";
  return { ...lost(row, nowMs), state: "FAILED", fence: row.fence + 1, endTimeMs: nowMs, error };
}

/** An attempt that was due may have been made: the row says so, and that nobody knows how it ended. It spends no retry. */
function lost(row: ExecutionRow, nowMs: number): ExecutionRow {
  if ((row.retryTimeMs ?? row.scheduledTimeMs) > nowMs) return row;
  const startTimeMs = runningAttempt(row)?.startTimeMs ?? null;
  const error = "its scheduler died before it said how this ended";
  const { attempt, schedulerId } = row;
  const attempts = withAttempt(row, {
    ...{ attempt, schedulerId, startTimeMs, endTimeMs: Math.ceil(nowMs), state: "FAILED", error, httpStatus: 0 },
  });
  return { ...row, attempts };
}

/** What becomes of a row that is not to run any more; undefined: it runs. */
function givenUp(
  row: ExecutionRow,
  held: boolean,
  rules: ClaimRules,
  nowMs: number,
  task: TaskCursor,
): ExecutionRow | undefined {
  if (row.state === "RETRYING" && hasBegun(row) && !callsTarget(task)) {
    return withdrawn(row, "the task calls nothing any more", nowMs);
  }
  if (row.state === "PENDING" || row.trigger === "MANUAL") return undefined;
  // A take-over follows the misfire policy: the latest one due runs, within the window. What was handed back waits for its
  // host's sake, however often its task is due meanwhile.
  const laterDue = task.state === "ACTIVE" && task.nextRunTimeMs !== null && task.nextRunTimeMs <= nowMs;
  const isTooLate = nowMs - row.scheduledTimeMs > rules.catchUpWindowMs;
  if (row.startTimeMs !== null || !(isTooLate || (held && laterDue)) || (!held && hasBegun(row))) return undefined;
  const error = held
    ? "its scheduler died, and its time had gone by when another could take over"
    : "it was handed back, and its time had gone by when another could run it";
  return missed(row, error, nowMs);
}

function grantRun(task: TaskCursor, settlement: Settlement, claiming: Claiming): Grant | undefined {
  if (settlement.run === undefined) return undefined;
  const key = { taskId: task.id, scheduledTimeMs: settlement.run.scheduledTimeMs };
  const existing = claiming.view.execution(key);
  if (isSettled(existing)) return undefined;
  const fresh = newExecution(key, task.name, settlement.run.trigger, "CLAIMED");
  return grant({ ...fresh, fence: existing?.fence ?? 0 }, 1, task, claiming);
}

function recordMissed(task: TaskCursor, settlement: Settlement, { view, stage }: Claiming): void {
  const range = settlement.missed;
  if (range === undefined) return;
  const key = { taskId: task.id, scheduledTimeMs: range.firstMs };
  const existing = view.execution(key);
  if (existing !== undefined && !isReopenable(existing)) return;
  stage.saveExecution({
    ...newExecution(key, task.name, "SCHEDULE", "MISSED"),
    fence: (existing?.fence ?? 0) + 1,
    endTimeMs: view.nowMs,
    missedCount: range.count,
    missedUntilMs: range.lastMs,
    error: "nothing ran it at its time",
  });
}

function grant(row: ExecutionRow, attempt: number, task: TaskCursor, claiming: Claiming): Grant {
  const { claimant, view, stage } = claiming;
  const claimed: ExecutionRow = {
    ...row,
    ...claimant,
    state: "CLAIMED",
    attempt,
    fence: row.fence + 1,
    claimTimeMs: view.nowMs,
  };
  stage.saveExecution(claimed);
  return grantOf(claimed, task, view.webhooks.get(task.id));
}

function result(granted: Grant | undefined, task: TaskCursor | undefined, nowMs: number): ClaimResult {
  const next = task?.state === "ACTIVE" ? task.nextRunTimeMs : null;
  return create(ClaimResultSchema, {
    ...(granted === undefined ? {} : { grant: granted }),
    ...(next === null || next > nowMs + NEXT_TOLD_MS ? {} : { nextScheduledTimeMs: BigInt(next) }),
  });
}
