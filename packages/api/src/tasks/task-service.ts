import type { ServiceImpl } from "@connectrpc/connect";
import type { Status, Task, TaskService } from "@taskscheduler/proto";
import type { ChangeLog } from "../changes/change-log.js";
import type { Database } from "../database/database.js";
import type { Clock } from "../database/database-clock.js";
import type { WriteGroup } from "../writes/write-group.js";
import { batchCreateCommand } from "./task-batch.js";
import {
  createTaskCommand,
  deleteTaskCommand,
  pauseTaskCommand,
  resumeTaskCommand,
  runTaskCommand,
  updateTaskCommand,
} from "./task-commands.js";
import { taskNotFound } from "./task-decisions.js";
import { taskToProto } from "./task-mapper.js";
import { previewSchedule } from "./task-preview.js";
import type { TaskQueries } from "./task-query-store.js";
import type { TaskRow } from "./task-row.js";
import { watchTasks } from "./task-watch.js";

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
    createTask: async (request, { signal }) => writes.submit(createTaskCommand(request), signal),
    batchCreateTasks: async (request, { signal }) =>
      writes.submit(batchCreateCommand(request, parts.validateTask, parts.statusOf), signal),
    async getTask({ id }) {
      const found = await queries.get(id);
      if (found === undefined) throw taskNotFound(id);
      return { task: taskToProto(found.task, found.lastExecution) };
    },
    async listTasks(request, { signal }) {
      const page = await queries.list(request, signal);
      return {
        tasks: await withLastExecutions(page.tasks),
        nextPageToken: page.nextPageToken,
        totalSize: page.totalSize,
      };
    },
    updateTask: async (request, { signal }) => writes.submit(updateTaskCommand(request), signal),
    deleteTask: async (request, { signal }) => writes.submit(deleteTaskCommand(request), signal),
    pauseTask: async (request, { signal }) => writes.submit(pauseTaskCommand(request), signal),
    resumeTask: async (request, { signal }) => writes.submit(resumeTaskCommand(request), signal),
    runTask: async (request, { signal }) => writes.submit(runTaskCommand(request), signal),
    previewSchedule: async (request) => previewSchedule(request, clock.nowMs()),
    watchTasks: (request, context) => watchTasks(parts.database, parts.log, request, context),
  };
}
