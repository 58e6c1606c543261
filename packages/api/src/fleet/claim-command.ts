import { create } from "@bufbuild/protobuf";
import {
  type ClaimEvent,
  compileReadableSchedule,
  type ExecutionKey,
  type ExecutionRow,
  isHeld,
  isUnfinished,
  judgeRecorded,
  openOccurrence,
  passOccurrences,
  ServiceError,
  type Settlement,
  settle,
  transition,
} from "@taskscheduler/domain";
import {
  type ClaimExecutionsRequest,
  type ClaimExecutionsResponse,
  ClaimExecutionsResponseSchema,
  type ClaimResult,
  ClaimResultSchema,
  type Grant,
} from "@taskscheduler/proto";
import { stageTransition } from "../executions/stage-transition.js";
import type { TaskCursor } from "../tasks/task-row.js";
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
      const claiming: Claiming = {
        claim: { type: "CLAIM", incarnation: request.incarnation, schedulerId, nowMs: view.nowMs },
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
  readonly claim: ClaimEvent;
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
  const schedule = compileReadableSchedule(task);
  if (schedule === undefined) throw new Error("the schedule of the task cannot be read");
  return settle({
    schedule,
    dueMs: occurrence.scheduledTimeMs,
    scheduleSetMs: task.armedTimeMs,
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
  const times = [occurrence.scheduledTimeMs, settlement?.claim?.scheduledTimeMs, settlement?.missed?.firstMs];
  return times.flatMap((scheduledTimeMs) => (scheduledTimeMs === undefined ? [] : [{ taskId, scheduledTimeMs }]));
}

function claim(occurrence: Due, claiming: Claiming): ClaimResult {
  const { rules, view, tasks, stage } = claiming;
  const task = tasks.get(occurrence.taskId);
  const hasRoom = !claiming.granted.isFull && view.webhooks.has(occurrence.taskId);
  if (callsTarget(task) && !hasRoom) return create(ClaimResultSchema, { askAgain: true });
  const row = view.execution(occurrence);
  if (row !== undefined && isUnfinished(row.state)) {
    const grant = claimRecorded(row, task, claiming);
    if (grant !== undefined || task?.nextRunTimeMs !== occurrence.scheduledTimeMs)
      return result(grant, task, view.nowMs);
  }
  const settlement = settlementOf(occurrence, task, view.nowMs, rules);
  if (task === undefined || settlement === undefined) return result(undefined, task, view.nowMs);
  const granted = claimOccurrence(task, settlement.claim, claiming);
  recordMissed(task, settlement.missed, claiming);
  const moved = passOccurrences(task, settlement.nextMs ?? null, granted !== undefined);
  stage.moveTask(moved);
  tasks.set(task.id, moved);
  return result(granted, moved, view.nowMs);
}

/** An execution that waits for any scheduler, or that its scheduler left behind. */
function claimRecorded(row: ExecutionRow, task: TaskCursor | undefined, claiming: Claiming): Grant | undefined {
  const { claim, rules, view, tasks, stage } = claiming;
  const { nowMs } = view;
  if (isHeld(row.state)) {
    if (row.incarnation === claim.incarnation) return grantOf(row, task, view.webhooks.get(row.taskId));
    if (row.incarnation !== null && view.incarnations.has(row.incarnation)) return undefined;
  }
  if ((row.retryTimeMs ?? 0) > nowMs + CLAIM_AHEAD_MS) return undefined;
  const event = judgeRecorded(row, {
    claim,
    catchUpWindowMs: rules.catchUpWindowMs,
    task: task === undefined ? null : { callsTarget: callsTarget(task), isNextDue: isNextDue(task, nowMs) },
  });
  const next = transition(row, event);
  if (next === undefined) return undefined;
  const moved = stageTransition(next, task, stage);
  if (moved !== undefined && moved !== task) tasks.set(moved.id, moved);
  return next.row.state === "CLAIMED" ? grantOf(next.row, moved, view.webhooks.get(row.taskId)) : undefined;
}

function isNextDue({ state, nextRunTimeMs }: TaskCursor, nowMs: number): boolean {
  return state === "ACTIVE" && nextRunTimeMs !== null && nextRunTimeMs <= nowMs;
}

/** @returns undefined where nothing is to be claimed, or where the ledger says already what became of the occurrence */
function claimOccurrence(
  task: TaskCursor,
  due: Settlement["claim"],
  { claim, view, stage }: Claiming,
): Grant | undefined {
  if (due === undefined) return undefined;
  const key = { taskId: task.id, scheduledTimeMs: due.scheduledTimeMs };
  const row = openOccurrence(view.execution(key), key, task.name, due.trigger);
  const claimed = row && transition(row, claim)?.row;
  if (claimed === undefined) return undefined;
  stage.saveExecution(claimed);
  return grantOf(claimed, task, view.webhooks.get(task.id));
}

function recordMissed(task: TaskCursor, missed: Settlement["missed"], { view, stage }: Claiming): void {
  if (missed === undefined) return;
  const { firstMs, lastMs: untilMs, count } = missed;
  const key = { taskId: task.id, scheduledTimeMs: firstMs };
  const row = openOccurrence(view.execution(key), key, task.name, "SCHEDULE");
  const next = row && transition(row, { type: "MISS", reason: "NOT_RUN_IN_TIME", nowMs: view.nowMs, count, untilMs });
  if (next !== undefined) stage.saveExecution(next.row);
}

function result(granted: Grant | undefined, task: TaskCursor | undefined, nowMs: number): ClaimResult {
  const next = task?.state === "ACTIVE" ? task.nextRunTimeMs : null;
  return create(ClaimResultSchema, {
    ...(granted === undefined ? {} : { grant: granted }),
    ...(next === null || next > nowMs + NEXT_TOLD_MS ? {} : { nextScheduledTimeMs: BigInt(next) }),
  });
}
