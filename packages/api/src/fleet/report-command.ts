import { create } from "@bufbuild/protobuf";
import {
  type ExecutionKey,
  type ExecutionRow,
  GONE,
  isHeld,
  type ReportEvent,
  retryDelayMs,
  transition,
} from "@taskscheduler/domain";
import {
  AttemptFailure,
  type ExecutionReport,
  ExecutionState,
  type ReportExecutionsRequest,
  type ReportExecutionsResponse,
  ReportExecutionsResponseSchema,
} from "@taskscheduler/proto";
import { stageTransition } from "../executions/stage-transition.js";
import { pauseGone } from "../tasks/task-decisions.js";
import { cursorOfTask, type TaskCursor } from "../tasks/task-row.js";
import type { Stage, WriteCommand, WriteView } from "../writes/write-command.js";

/** Records how executions went. The fence decides whether a report counts, not the reporter: a run under an ended lease has run. */
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

/** The report pauses its task, whose claims are withdrawn. */
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

/** @returns whether the report is taken; false: the claim was another's by then */
function record(report: ExecutionReport, ledger: Ledger): boolean {
  const { view, tasks, stage } = ledger;
  const row = view.execution(keyOf(report));
  if (row === undefined) return false;
  const task = tasks.get(row.taskId);
  const next = transition(row, eventOf(report, row, task, view.nowMs));
  if (next === undefined) return false;
  if (next.row === row) return true;
  const moved = stageTransition(next, task, stage);
  if (moved !== undefined && moved !== task) tasks.set(moved.id, moved);
  if (next.effects.pausesTask) pauseTask(row.taskId, ledger);
  return true;
}

/** The wire's report as an event of the ledger. Whether a failure is tried again, the task's policy says. */
function eventOf(report: ExecutionReport, row: ExecutionRow, task: TaskCursor | undefined, nowMs: number): ReportEvent {
  const { fence, error, httpStatus } = report;
  const startTimeMs = Number(report.startTimeMs);
  const endTimeMs = Number(report.endTimeMs);
  switch (report.state) {
    case ExecutionState.RUNNING:
      return { type: "BEGIN", fence, startTimeMs };
    case ExecutionState.SUCCEEDED:
      return { type: "SUCCEED", fence, startTimeMs, endTimeMs, error, httpStatus };
    case ExecutionState.RETRYING:
      return { type: "HAND_BACK", fence, retryTimeMs: Math.ceil(nowMs) + report.retryAfterMs, error };
    case ExecutionState.CANCELLED:
      return { type: "ABORT", fence, startTimeMs, endTimeMs, error, httpStatus };
    default: {
      const failures = row.failures + (report.failure === AttemptFailure.INTERRUPTED ? 0 : 1);
      const delayMs = task !== undefined && isHeld(row.state) ? delayOf(task, report, failures) : undefined;
      const failed = { fence, startTimeMs, endTimeMs, error, httpStatus, failures };
      if (delayMs === undefined) return { type: "FAIL", ...failed, isTargetGone: isGone(report) };
      return { type: "RETRY_LATER", ...failed, retryTimeMs: Math.ceil(nowMs) + delayMs };
    }
  }
}

/** @returns how long to wait before the next attempt; undefined: there is none */
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
