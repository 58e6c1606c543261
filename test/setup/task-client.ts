import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Execution,
  ExecutionEndReason,
  ExecutionService,
  ExecutionState,
  ExecutionTrigger,
  Recurrence,
  type Task,
  TaskSchema,
  TaskService,
  TaskState,
} from "@taskscheduler/proto";
import { type GrpcClient, grpcClient } from "./clients.js";

/** A task as specs write it. */
export interface TaskDraft {
  readonly name: string;
  readonly scheduledTimeMs: number;
  /** Default: once. */
  readonly recurrence?: keyof typeof Recurrence;
  readonly timeZone?: string;
  readonly description?: string;
}

/** An execution as specs judge it: states and triggers by name, instants as epoch milliseconds. */
export interface Run {
  readonly taskId: number;
  readonly scheduledTimeMs: number;
  readonly state: keyof typeof ExecutionState;
  readonly trigger: keyof typeof ExecutionTrigger;
  readonly attempt: number;
  readonly schedulerId: string;
  readonly startTimeMs: number | undefined;
  readonly missedCount: number;
  readonly missedUntilMs: number | undefined;
  readonly error: string;
  readonly endReason: keyof typeof ExecutionEndReason;
}

export interface TaskView {
  readonly id: number;
  readonly name: string;
  readonly state: keyof typeof TaskState;
  readonly scheduledTimeMs: number;
  readonly nextRunTimeMs: number | undefined;
  readonly runCount: number;
  readonly etag: string;
}

/** The API over gRPC, in the words of the specs. Every call has a deadline. */
export interface TaskClient {
  readonly tasks: GrpcClient<typeof TaskService>;
  readonly executions: GrpcClient<typeof ExecutionService>;
  create(draft: TaskDraft, requestId?: string): Promise<TaskView>;
  /** In batches; fails when one is refused. */
  createAll(drafts: readonly TaskDraft[]): Promise<TaskView[]>;
  get(id: number): Promise<TaskView>;
  list(): Promise<TaskView[]>;
  move(id: number, scheduledTimeMs: number): Promise<TaskView>;
  pause(id: number): Promise<TaskView>;
  resume(id: number): Promise<TaskView>;
  remove(id: number): Promise<void>;
  run(id: number): Promise<Run>;
  /** Of one task, or of all, by task and time. */
  runs(taskId?: number): Promise<Run[]>;
  close(): void;
}

const CALL_MS = 10_000;
const BATCH = 1_000;

export function createTaskClient(grpcAddress: string): TaskClient {
  const tasks = grpcClient(TaskService, grpcAddress);
  const executions = grpcClient(ExecutionService, grpcAddress);
  const options = () => ({ deadline: Date.now() + CALL_MS });
  return {
    tasks,
    executions,
    async create(draft, requestId = "") {
      return viewOf((await tasks.unary("createTask", { task: taskOf(draft), requestId }, options())).task);
    },
    async createAll(drafts) {
      const created: TaskView[] = [];
      for (let from = 0; from < drafts.length; from += BATCH) {
        const request = { tasks: drafts.slice(from, from + BATCH).map(taskOf) };
        const { results } = await tasks.unary("batchCreateTasks", request, options());
        for (const { result } of results) {
          if (result.case !== "task") throw new Error(`a task was refused: ${result.value?.message}`);
          created.push(viewOf(result.value));
        }
      }
      return created;
    },
    get: async (id) => viewOf((await tasks.unary("getTask", { id }, options())).task),
    async list() {
      const found: TaskView[] = [];
      let pageToken = "";
      do {
        const page = await tasks.unary("listTasks", { pageSize: BATCH, pageToken }, options());
        found.push(...page.tasks.map(viewOf));
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return found;
    },
    async move(id, scheduledTimeMs) {
      const task = create(TaskSchema, { id, scheduledTime: timestampFromMs(scheduledTimeMs) });
      return viewOf((await tasks.unary("updateTask", { task }, options())).task);
    },
    pause: async (id) => viewOf((await tasks.unary("pauseTask", { id }, options())).task),
    resume: async (id) => viewOf((await tasks.unary("resumeTask", { id }, options())).task),
    remove: async (id) => void (await tasks.unary("deleteTask", { id }, options())),
    run: async (id) => runOf((await tasks.unary("runTask", { id }, options())).execution),
    async runs(taskId = 0) {
      const found: Run[] = [];
      let pageToken = "";
      do {
        const page = await executions.unary("listExecutions", { taskId, pageSize: BATCH, pageToken }, options());
        found.push(...page.executions.map(runOf));
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return found;
    },
    close() {
      tasks.close();
      executions.close();
    },
  };
}

export function taskOf({ name, scheduledTimeMs, recurrence, timeZone = "", description = "" }: TaskDraft): Task {
  return create(TaskSchema, {
    ...{ name, timeZone, description, scheduledTime: timestampFromMs(scheduledTimeMs) },
    recurrence: recurrence === undefined ? Recurrence.UNSPECIFIED : Recurrence[recurrence],
  });
}

export function viewOf(task: Task | undefined): TaskView {
  if (task?.scheduledTime === undefined) throw new Error("the answer lacks its task");
  return {
    id: task.id,
    name: task.name,
    state: TaskState[task.state] as keyof typeof TaskState,
    scheduledTimeMs: timestampMs(task.scheduledTime),
    nextRunTimeMs: task.nextRunTime === undefined ? undefined : timestampMs(task.nextRunTime),
    runCount: task.runCount,
    etag: task.etag,
  };
}

function runOf(execution: Execution | undefined): Run {
  if (execution?.scheduledTime === undefined) throw new Error("the answer lacks its execution");
  const { startTime, missedUntil } = execution;
  return {
    taskId: execution.taskId,
    scheduledTimeMs: timestampMs(execution.scheduledTime),
    state: ExecutionState[execution.state] as keyof typeof ExecutionState,
    trigger: ExecutionTrigger[execution.trigger] as keyof typeof ExecutionTrigger,
    attempt: execution.attempt,
    schedulerId: execution.schedulerId,
    startTimeMs: startTime === undefined ? undefined : timestampMs(startTime),
    missedCount: execution.missedCount,
    missedUntilMs: missedUntil === undefined ? undefined : timestampMs(missedUntil),
    error: execution.error,
    endReason: ExecutionEndReason[execution.endReason] as keyof typeof ExecutionEndReason,
  };
}
