import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { fieldError } from "@taskscheduler/domain";
import {
  CreateTaskRequestSchema,
  CreateTaskResponseSchema,
  DeleteTaskRequestSchema,
  DeleteTaskResponseSchema,
  PauseTaskRequestSchema,
  PauseTaskResponseSchema,
  ResumeTaskRequestSchema,
  ResumeTaskResponseSchema,
  RunTaskRequestSchema,
  RunTaskResponseSchema,
  type Status,
  type Task,
  type TaskService,
  UpdateTaskRequestSchema,
  UpdateTaskResponseSchema,
} from "@taskscheduler/proto";
import type { ChangeLog } from "../changes/change-log.js";
import type { Database } from "../database/database.js";
import type { Clock } from "../database/database-clock.js";
import { type CommandBase, commandBase, idempotentRequest } from "../database/idempotency.js";
import type { IdempotentRequest, WriteCommand, WriteView } from "../database/write-command.js";
import type { WriteGroup } from "../database/write-group.js";
import { executionToProto } from "../executions/execution-mapper.js";
import type { ExecutionKey } from "../executions/execution-row.js";
import { batchCreateCommand } from "./task-batch.js";
import {
  cursorKey,
  decideCreate,
  decideDelete,
  decidePause,
  decideResume,
  decideRun,
  decideUpdate,
  manualRunCandidates,
  taskNotFound,
  taskOf,
} from "./task-commands.js";
import { maskTouchesSchedule, readTaskInput, readTaskUpdate } from "./task-input.js";
import { taskToProto } from "./task-mapper.js";
import { previewSchedule } from "./task-preview.js";
import type { TaskQueries } from "./task-query-store.js";
import type { TaskRow } from "./task-row.js";
import { watchTasks } from "./task-watch.js";
import { weightOf } from "./task-weight.js";

export interface TaskServiceParts {
  readonly database: Database;
  readonly writes: WriteGroup;
  readonly queries: TaskQueries;
  readonly log: ChangeLog;
  readonly clock: Clock;
  /** Judges one task of a batch by the proto's rules; throws ServiceError that names fields from `task` on. */
  readonly validateTask: (task: Task, path: string) => void;
  readonly statusOf: (error: unknown) => Status;
}

export function createTaskService(parts: TaskServiceParts): ServiceImpl<typeof TaskService> {
  const { writes, queries, clock } = parts;

  async function withLastExecutions(rows: readonly TaskRow[]): Promise<Task[]> {
    const executions = await queries.lastExecutions(rows);
    return rows.map((row) => taskToProto(row, executions.get(row.id)));
  }

  return {
    async createTask(request) {
      const input = readTaskInput(required(request.task));
      const identity = idempotentRequest(CreateTaskRequestSchema, CreateTaskResponseSchema, request);
      return writes.submit({
        ...commandBase(identity, request.validateOnly, [`name:${input.name}`], weightOf([input])),
        needs: { names: [input.name] },
        decide(view, stage) {
          const row = decideCreate(input, view);
          stage.createTask(row);
          return (ids) => create(CreateTaskResponseSchema, { task: taskToProto(ids.created(row)) });
        },
      });
    },
    batchCreateTasks: (request) => writes.submit(batchCreateCommand(request, parts.validateTask, parts.statusOf)),
    async getTask({ id }) {
      const row = await queries.get(id);
      if (row === undefined) throw taskNotFound(id);
      const [task] = await withLastExecutions([row]);
      return { task: required(task) };
    },
    async listTasks(request) {
      const page = await queries.list(request);
      return {
        tasks: await withLastExecutions(page.tasks),
        nextPageToken: page.nextPageToken,
        totalSize: page.totalSize,
      };
    },
    async updateTask(request) {
      const change = required(request.task);
      if (change.id === 0) throw fieldError("task.id", "must be set: it says which task changes");
      const mask = request.updateMask?.paths;
      const touchesSchedule = maskTouchesSchedule(change, mask);
      const identity = idempotentRequest(UpdateTaskRequestSchema, UpdateTaskResponseSchema, request);
      return writes.submit({
        ...commandBase(
          identity,
          request.validateOnly,
          change.name === "" ? [`task:${change.id}`] : [`task:${change.id}`, `name:${change.name}`],
          weightOf([change]),
        ),
        needs: {
          taskIds: [change.id],
          names: change.name === "" ? [] : [change.name],
          unfinishedOf: touchesSchedule ? [change.id] : [],
        },
        executionsNeeded: (view) => [...lastExecutionKey(view, change.id), ...cursorKey(view.tasks.get(change.id))],
        decide(view, stage) {
          const current = taskOf(view, change.id, change.etag);
          const row = decideUpdate(current, readTaskUpdate(change, mask, current), view, stage);
          return () => create(UpdateTaskResponseSchema, { task: withLastExecution(view, row) });
        },
      });
    },
    deleteTask(request) {
      const identity = idempotentRequest(DeleteTaskRequestSchema, DeleteTaskResponseSchema, request);
      return writes.submit({
        ...taskCommand(request.id, identity, request.validateOnly),
        decide(view, stage) {
          const row = taskOf(view, request.id, request.etag);
          decideDelete(row, view, stage);
          return () => create(DeleteTaskResponseSchema, { task: withLastExecution(view, row) });
        },
      });
    },
    pauseTask(request) {
      const identity = idempotentRequest(PauseTaskRequestSchema, PauseTaskResponseSchema, request);
      return writes.submit({
        ...taskCommand(request.id, identity, request.validateOnly),
        decide(view, stage) {
          const row = decidePause(taskOf(view, request.id), request.reason, view, stage);
          return () => create(PauseTaskResponseSchema, { task: withLastExecution(view, row) });
        },
      });
    },
    resumeTask(request) {
      const identity = idempotentRequest(ResumeTaskRequestSchema, ResumeTaskResponseSchema, request);
      return writes.submit({
        ...taskCommand(request.id, identity, request.validateOnly),
        decide(view, stage) {
          const row = decideResume(taskOf(view, request.id), view, stage);
          return () => create(ResumeTaskResponseSchema, { task: withLastExecution(view, row) });
        },
      });
    },
    runTask(request) {
      const identity = idempotentRequest(RunTaskRequestSchema, RunTaskResponseSchema, request);
      return writes.submit({
        ...taskCommand(request.id, identity, request.validateOnly),
        executionsNeeded: (view) => manualRunCandidates(request.id, view.nowMs),
        decide(view, stage) {
          const row = decideRun(taskOf(view, request.id), view, stage);
          return () => create(RunTaskResponseSchema, { execution: executionToProto(row) });
        },
      });
    },
    async previewSchedule(request) {
      return previewSchedule(request, clock.nowMs());
    },
    watchTasks: (request, context) => watchTasks(parts.database, parts.log, request, context.signal),
  };
}

/** A command about one task that may withdraw what is claimed of it. */
function taskCommand<T>(
  id: number,
  identity: IdempotentRequest<T> | undefined,
  validateOnly: boolean,
): CommandBase<T> & Pick<WriteCommand<T>, "needs" | "executionsNeeded"> {
  return {
    ...commandBase(identity, validateOnly, [`task:${id}`]),
    needs: { taskIds: [id], unfinishedOf: [id] },
    executionsNeeded: (view) => [...lastExecutionKey(view, id), ...cursorKey(view.tasks.get(id))],
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
