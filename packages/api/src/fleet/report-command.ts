import { create } from "@bufbuild/protobuf";
import {
  type Attempt,
  attemptsOf,
  type ExecutionKey,
  type ExecutionRow,
  GONE,
  isHeld,
  NO_ATTEMPTS,
  retryDelayMs,
  withAttempt,
} from "@taskscheduler/domain";
import {
  AttemptFailure,
  type ExecutionReport,
  ExecutionState,
  type ReportExecutionsRequest,
  type ReportExecutionsResponse,
  ReportExecutionsResponseSchema,
} from "@taskscheduler/proto";
import { isWithdrawn } from "../executions/execution-decisions.js";
import { cursorAfter, pauseGone } from "../tasks/task-decisions.js";
import { cursorOfTask, type TaskCursor } from "../tasks/task-row.js";
import type { Stage, WriteCommand, WriteView } from "../writes/write-command.js";

/** Records how executions ended. The fence decides, not who reports: what ran has run, also under an ended lease. */
export function reportCommand(request: ReportExecutionsRequest): WriteCommand<ReportExecutionsResponse> {
  const taskIds = new Set(request.reports.map((report) => report.taskId));
  const goneIds = new Set(request.reports.filter(isGone).map((report) => report.taskId));
  return {
    keys: [...taskIds].map((id) => `task:${id}`),
    weight: request.reports.length,
    validateOnly: false,
    needs: {
      cursorsOf: [...taskIds].filter((id) => !goneIds.has(id)),
      taskIds: [...goneIds],
      unfinishedOf: [...goneIds],
    },
    executionsNeeded: () => request.reports.map(keyOf),
    decide(view, stage) {
      const tasks = new Map(view.cursors);
      for (const [id, row] of view.tasks) if (goneIds.has(id)) tasks.set(id, cursorOfTask(row));
      const ledger = { view, tasks, stage };
      const accepted = request.reports.map((report) => record(report, ledger));
      return () => create(ReportExecutionsResponseSchema, { accepted });
    },
  };
}

/** It pauses its task, whose claims are withdrawn. */
function isGone({ httpStatus }: ExecutionReport): boolean {
  return httpStatus === GONE;
}

function keyOf(report: ExecutionReport): ExecutionKey {
  return { taskId: report.taskId, scheduledTimeMs: Number(report.scheduledTimeMs) };
}

/** What the commands of a group share, and one report is judged by. */
interface Ledger {
  readonly view: WriteView;
  /** As the reports so far have left them. */
  readonly tasks: Map<number, TaskCursor>;
  readonly stage: Stage;
}

/** @returns whether the report is taken: false: the claim was another's by then */
function record(report: ExecutionReport, ledger: Ledger): boolean {
  const row = ledger.view.execution(keyOf(report));
  if (row === undefined) return false;
  if (row.fence === report.fence) {
    // Else it is sent again, since its answer was lost.
    if (isHeld(row.state)) recordHeld(row, report, ledger);
    return true;
  }
  if (row.fence !== report.fence + 1 || (row.state !== "CANCELLED" && row.state !== "MISSED")) return false;
  recordLate(row, report, ledger);
  return true;
}

function recordHeld(row: ExecutionRow, report: ExecutionReport, ledger: Ledger): void {
  const { stage } = ledger;
  switch (report.state) {
    case ExecutionState.RUNNING:
      if (row.state === "CLAIMED") stage.saveExecution(begun(row, report));
      return;
    case ExecutionState.SUCCEEDED: {
      const next = ended(row, report, "SUCCEEDED");
      // The hot path: the first attempt, and nothing to say of it.
      if (next.attempts === "" && next.error === "") stage.endExecution(next);
      else stage.saveExecution(next);
      moveOn(row, ledger);
      return;
    }
    case ExecutionState.RETRYING:
      stage.saveExecution(handedBack(row, report, ledger.view.nowMs));
      return;
    case ExecutionState.CANCELLED:
      stage.saveExecution(ended(row, report, "CANCELLED"));
      moveOn(row, ledger);
      return;
    default:
      recordFailed(row, report, ledger);
  }
}

function recordFailed(row: ExecutionRow, report: ExecutionReport, ledger: Ledger): void {
  const { view, tasks, stage } = ledger;
  const task = tasks.get(row.taskId);
  const failures = row.failures + (report.failure === AttemptFailure.INTERRUPTED ? 0 : 1);
  const delayMs = task === undefined ? undefined : delayOf(task, report, failures);
  if (delayMs === undefined) {
    stage.saveExecution({ ...ended(row, report, "FAILED"), failures });
    moveOn(row, ledger);
    if (isGone(report)) pauseTask(row.taskId, ledger);
    return;
  }
  const attempts = withAttempt(row, attemptOf(row, report, "FAILED"));
  stage.saveExecution({
    ...ended(row, report, "FAILED"),
    ...{ state: "RETRYING", endTimeMs: null, failures, retryTimeMs: Math.ceil(view.nowMs) + delayMs, attempts },
  });
}

function delayOf(task: TaskCursor, report: ExecutionReport, failures: number): number | undefined {
  const failure = AttemptFailure[report.failure] as keyof typeof AttemptFailure;
  if (task.webhookBytes === 0 || failure === "UNSPECIFIED") return undefined;
  const { httpStatus, retryAfterMs } = report;
  return retryDelayMs(task.retryPolicy, { failure, httpStatus, retryAfterMs }, failures, Math.random());
}

function pauseTask(taskId: number, { view, tasks, stage }: Ledger): void {
  const row = view.tasks.get(taskId);
  const moved = tasks.get(taskId);
  if (row === undefined || moved?.state !== "ACTIVE") return;
  const { nextRunTimeMs, runCount, lastRunTimeMs } = moved;
  const paused = pauseGone({ ...row, nextRunTimeMs, runCount, lastRunTimeMs }, view, stage);
  tasks.set(taskId, cursorOfTask(paused));
  stage.moveTask(paused);
}

/**
 * What really ran wins over the row that was ended without it: withdrawn, or given up as its task was deleted. The row says
 * both. What a user cancelled, and was aborted, says when it began, and ended.
 */
function recordLate(row: ExecutionRow, report: ExecutionReport, ledger: Ledger): void {
  const isByUser = row.state === "CANCELLED" && !isWithdrawn(row);
  const ranAfterAll = { fence: report.fence, missedCount: 0, missedUntilMs: null };
  if (report.state === ExecutionState.RUNNING && !isByUser) {
    // It is seen, and can be cancelled, until it has ended.
    ledger.stage.saveExecution({ ...begun(row, report), ...ranAfterAll, endTimeMs: null, error: "" });
    return;
  }
  const state = ENDED_STATES.get(report.state);
  if (state === undefined || isTold(row)) return;
  if (state === "SUCCEEDED" || (state === "FAILED" && !isByUser)) {
    const ran = row.state === "MISSED" ? "ran after all" : `ran; too late to be ${row.error}`;
    const error = report.error === "" ? ran : `${report.error} (${ran})`;
    ledger.stage.saveExecution({ ...ended(row, report, state), ...ranAfterAll, error });
    moveOn(row, ledger);
    return;
  }
  const attempts = withAttempt(row, attemptOf(row, report, state));
  ledger.stage.saveExecution({ ...row, attempts, startTimeMs: row.startTimeMs ?? Number(report.startTimeMs) });
}

/** A claim that its scheduler has not begun, and will not: another may, or the same one later. It was no attempt. */
function handedBack(row: ExecutionRow, report: ExecutionReport, nowMs: number): ExecutionRow {
  const runTimeMs = Math.max(Math.ceil(nowMs) + report.retryAfterMs, row.retryTimeMs ?? row.scheduledTimeMs);
  const attempts = row.attempts === "" ? NO_ATTEMPTS : row.attempts;
  const attempt = Math.max(0, row.attempt - 1);
  return { ...row, state: "RETRYING", attempt, retryTimeMs: runTimeMs, attempts, error: report.error };
}

/** Whether the row says how its last attempt ended. */
function isTold(row: ExecutionRow): boolean {
  return attemptsOf(row).some((each) => each.attempt === row.attempt && each.endTimeMs !== null);
}

function begun(row: ExecutionRow, report: ExecutionReport): ExecutionRow {
  const attempts = withAttempt(row, { ...attemptOf(row, report, "RUNNING"), endTimeMs: null });
  const startTimeMs = row.startTimeMs ?? Number(report.startTimeMs);
  return { ...row, state: "RUNNING", startTimeMs, retryTimeMs: null, attempts };
}

function ended(row: ExecutionRow, report: ExecutionReport, state: EndedState): ExecutionRow {
  const { error, httpStatus } = report;
  const attempts = row.attempts === "" ? "" : withAttempt(row, attemptOf(row, report, state));
  const startTimeMs = row.startTimeMs ?? Number(report.startTimeMs);
  return {
    ...row,
    ...{ state, startTimeMs, endTimeMs: Number(report.endTimeMs), retryTimeMs: null, error, httpStatus, attempts },
  };
}

const ENDED_STATES: ReadonlyMap<ExecutionState, EndedState> = new Map([
  [ExecutionState.SUCCEEDED, "SUCCEEDED"],
  [ExecutionState.FAILED, "FAILED"],
  [ExecutionState.CANCELLED, "CANCELLED"],
]);

type EndedState = "SUCCEEDED" | "FAILED" | "CANCELLED";

function attemptOf(row: ExecutionRow, report: ExecutionReport, state: Attempt["state"]): Attempt {
  const { error, httpStatus } = report;
  return {
    ...{ attempt: row.attempt, schedulerId: row.schedulerId, state, error, httpStatus },
    startTimeMs: Number(report.startTimeMs),
    endTimeMs: Number(report.endTimeMs),
  };
}

function moveOn(row: ExecutionRow, { tasks, stage }: Ledger): void {
  const task = tasks.get(row.taskId);
  if (task === undefined) return;
  const nextRunTimeMs = row.trigger === "MANUAL" ? task.nextRunTimeMs : cursorAfter(task, row.scheduledTimeMs);
  const moved: TaskCursor = {
    ...task,
    nextRunTimeMs,
    state: row.trigger !== "MANUAL" && nextRunTimeMs === null ? "COMPLETED" : task.state,
    runCount: task.runCount + 1,
    lastRunTimeMs: row.scheduledTimeMs,
  };
  tasks.set(task.id, moved);
  stage.moveTask(moved);
}
