import { create } from "@bufbuild/protobuf";
import { isUnfinished } from "@taskscheduler/domain";
import {
  type ExecutionReport,
  type ReportExecutionsRequest,
  type ReportExecutionsResponse,
  ReportExecutionsResponseSchema,
} from "@taskscheduler/proto";
import { executionStateName } from "../executions/execution-mapper.js";
import type { ExecutionKey, ExecutionRow } from "../executions/execution-row.js";
import { cursorAfter, isReopenable } from "../tasks/task-decisions.js";
import type { TaskRow } from "../tasks/task-row.js";
import type { Stage, WriteCommand, WriteView } from "../writes/write-command.js";

/** Records how executions ended. The fence decides, not who reports: what ran has run, also under an ended lease. */
export function reportCommand(request: ReportExecutionsRequest): WriteCommand<ReportExecutionsResponse> {
  const taskIds = [...new Set(request.reports.map((report) => report.taskId))];
  return {
    keys: taskIds.map((id) => `task:${id}`),
    weight: request.reports.length,
    validateOnly: false,
    needs: { taskIds },
    executionsNeeded: () => request.reports.map(keyOf),
    decide(view, stage) {
      const tasks = new Map(view.tasks);
      const accepted = request.reports.map((report) => record(report, view, tasks, stage));
      return () => create(ReportExecutionsResponseSchema, { accepted });
    },
  };
}

function keyOf(report: ExecutionReport): ExecutionKey {
  return { taskId: report.taskId, scheduledTimeMs: Number(report.scheduledTimeMs) };
}

function record(report: ExecutionReport, view: WriteView, tasks: Map<number, TaskRow>, stage: Stage): boolean {
  const row = view.execution(keyOf(report));
  if (row === undefined) return false;
  const startTimeMs = Number(report.startTimeMs);
  const ended = { state: executionStateName(report.state), startTimeMs, endTimeMs: Number(report.endTimeMs) };
  if (isUnfinished(row.state) && row.fence === report.fence) {
    const next = { ...row, ...ended, error: report.error };
    if (report.error === "") stage.endExecution(next);
    else stage.saveExecution(next);
    moveOn(row, tasks, stage);
    return true;
  }
  if (isReopenable(row) && row.fence === report.fence + 1) {
    // What really ran wins over the withdrawal, and the row says both.
    stage.saveExecution({ ...row, ...ended, fence: report.fence, error: `ran; too late to be ${row.error}` });
    moveOn(row, tasks, stage);
    return true;
  }
  // Sent again, since its answer was lost.
  return row.fence === report.fence && row.startTimeMs === startTimeMs;
}

function moveOn(row: ExecutionRow, tasks: Map<number, TaskRow>, stage: Stage): void {
  const task = tasks.get(row.taskId);
  if (task === undefined) return;
  const nextRunTimeMs = row.trigger === "MANUAL" ? task.nextRunTimeMs : cursorAfter(task, row.scheduledTimeMs);
  const moved: TaskRow = {
    ...task,
    nextRunTimeMs,
    state: row.trigger !== "MANUAL" && nextRunTimeMs === null ? "COMPLETED" : task.state,
    runCount: task.runCount + 1,
    lastRunTimeMs: row.scheduledTimeMs,
  };
  tasks.set(task.id, moved);
  stage.moveTask(moved);
}
