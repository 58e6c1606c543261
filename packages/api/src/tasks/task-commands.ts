import { create } from "@bufbuild/protobuf";
import { type ExecutionKey, fieldError } from "@taskscheduler/domain";
import {
  type CreateTaskRequest,
  CreateTaskRequestSchema,
  type CreateTaskResponse,
  CreateTaskResponseSchema,
  type DeleteTaskRequest,
  DeleteTaskRequestSchema,
  type DeleteTaskResponse,
  DeleteTaskResponseSchema,
  type PauseTaskRequest,
  PauseTaskRequestSchema,
  type PauseTaskResponse,
  PauseTaskResponseSchema,
  type ResumeTaskRequest,
  ResumeTaskRequestSchema,
  type ResumeTaskResponse,
  ResumeTaskResponseSchema,
  type RunTaskRequest,
  RunTaskRequestSchema,
  type RunTaskResponse,
  RunTaskResponseSchema,
  type Task,
  type UpdateTaskRequest,
  UpdateTaskRequestSchema,
  type UpdateTaskResponse,
  UpdateTaskResponseSchema,
} from "@taskscheduler/proto";
import { executionToProto } from "../executions/execution-mapper.js";
import { type CommandBase, commandBase, idempotentRequest } from "../writes/idempotency.js";
import type { IdempotentRequest, WriteCommand, WriteView } from "../writes/write-command.js";
import {
  cursorKey,
  decideCreate,
  decideDelete,
  decidePause,
  decideResume,
  decideRun,
  decideUpdate,
  manualRunCandidates,
  taskOf,
} from "./task-decisions.js";
import { maskTouchesClaims, readTaskInput, readTaskUpdate } from "./task-input.js";
import { taskToProto } from "./task-mapper.js";
import type { TaskRow } from "./task-row.js";
import { weightOf } from "./task-weight.js";

// What each request about one task needs to see, and writes. They throw ServiceError for what is wrong by itself.

export function createTaskCommand(request: CreateTaskRequest): WriteCommand<CreateTaskResponse> {
  const input = readTaskInput(required(request.task));
  const identity = idempotentRequest(CreateTaskRequestSchema, CreateTaskResponseSchema, request);
  return {
    ...commandBase(identity, request.validateOnly, [`name:${input.name}`], weightOf([input])),
    needs: { names: [input.name] },
    decide(view, stage) {
      const row = decideCreate(input, view);
      stage.createTask(row);
      return (ids) => ({ $typeName: "taskscheduler.v1.CreateTaskResponse", task: ids.created(row) });
    },
  };
}

export function updateTaskCommand(request: UpdateTaskRequest): WriteCommand<UpdateTaskResponse> {
  const change = required(request.task);
  if (change.id === 0) throw fieldError("task.id", "must be set: it says which task changes");
  const mask = request.updateMask?.paths;
  const touchesClaims = maskTouchesClaims(change, mask);
  const identity = idempotentRequest(UpdateTaskRequestSchema, UpdateTaskResponseSchema, request);
  return {
    ...commandBase(
      identity,
      request.validateOnly,
      change.name === "" ? [`task:${change.id}`] : [`task:${change.id}`, `name:${change.name}`],
      weightOf([change]),
    ),
    needs: {
      taskIds: [change.id],
      names: change.name === "" ? [] : [change.name],
      unfinishedOf: touchesClaims ? [change.id] : [],
    },
    executionsNeeded: (view) => [...lastExecutionKey(view, change.id), ...cursorKey(view.tasks.get(change.id))],
    decide(view, stage) {
      const current = taskOf(view, change.id, change.etag);
      const row = decideUpdate(current, readTaskUpdate(change, mask, current), view, stage);
      return () => create(UpdateTaskResponseSchema, { task: withLastExecution(view, row) });
    },
  };
}

export function deleteTaskCommand(request: DeleteTaskRequest): WriteCommand<DeleteTaskResponse> {
  const identity = idempotentRequest(DeleteTaskRequestSchema, DeleteTaskResponseSchema, request);
  return {
    ...taskCommand(request.id, identity, request.validateOnly),
    needs: { taskIds: [request.id], unfinishedOf: [request.id] },
    executionsNeeded: (view) => [...lastExecutionKey(view, request.id), ...cursorKey(view.tasks.get(request.id))],
    decide(view, stage) {
      const row = taskOf(view, request.id, request.etag);
      decideDelete(row, view, stage);
      return () => create(DeleteTaskResponseSchema, { task: withLastExecution(view, row) });
    },
  };
}

export function pauseTaskCommand(request: PauseTaskRequest): WriteCommand<PauseTaskResponse> {
  const identity = idempotentRequest(PauseTaskRequestSchema, PauseTaskResponseSchema, request);
  return {
    ...taskCommand(request.id, identity, request.validateOnly),
    needs: { taskIds: [request.id], unfinishedOf: [request.id] },
    decide(view, stage) {
      const row = decidePause(taskOf(view, request.id), request.reason, view, stage);
      return () => create(PauseTaskResponseSchema, { task: withLastExecution(view, row) });
    },
  };
}

export function resumeTaskCommand(request: ResumeTaskRequest): WriteCommand<ResumeTaskResponse> {
  const identity = idempotentRequest(ResumeTaskRequestSchema, ResumeTaskResponseSchema, request);
  return {
    ...taskCommand(request.id, identity, request.validateOnly),
    decide(view, stage) {
      const row = decideResume(taskOf(view, request.id), view, stage);
      return () => create(ResumeTaskResponseSchema, { task: withLastExecution(view, row) });
    },
  };
}

export function runTaskCommand(request: RunTaskRequest): WriteCommand<RunTaskResponse> {
  const identity = idempotentRequest(RunTaskRequestSchema, RunTaskResponseSchema, request);
  return {
    ...taskCommand(request.id, identity, request.validateOnly),
    executionsNeeded: (view) => manualRunCandidates(request.id, view.nowMs),
    decide(view, stage) {
      const row = decideRun(taskOf(view, request.id), view, stage);
      return () => create(RunTaskResponseSchema, { execution: executionToProto(row) });
    },
  };
}

/** A command about one task, whose answer tells its last execution. */
function taskCommand<T>(
  id: number,
  identity: IdempotentRequest<T> | undefined,
  validateOnly: boolean,
): CommandBase<T> & Pick<WriteCommand<T>, "needs" | "executionsNeeded"> {
  return {
    ...commandBase(identity, validateOnly, [`task:${id}`]),
    needs: { taskIds: [id] },
    executionsNeeded: (view) => lastExecutionKey(view, id),
  };
}

function lastExecutionKey(view: WriteView, taskId: number): ExecutionKey[] {
  const lastRunTimeMs = view.tasks.get(taskId)?.lastRunTimeMs ?? null;
  return lastRunTimeMs === null ? [] : [{ taskId, scheduledTimeMs: lastRunTimeMs }];
}

function withLastExecution(view: WriteView, row: TaskRow): Task {
  const [key] = lastExecutionKey(view, row.id);
  return taskToProto(row, key === undefined ? undefined : view.execution(key));
}

/** The proto's rules see to it that it is there. */
function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("a required field is missing");
  return value;
}
