import type { ExecutionKey, ExecutionRow, Webhook } from "@taskscheduler/domain";
import type { Task } from "@taskscheduler/proto";
import type { MovedTask, TaskCursor, TaskRow } from "../tasks/task-row.js";

/**
 * A request that changes state, as the write group runs it: what it must see, and a decision that is a function of
 * that alone. Many commands share one transaction; it may run again from the start, so `decide` has no other effects.
 */
export interface WriteCommand<T> {
  /** Commands that share a key never share a group: `task:7`, `name:…`, `request:…`. */
  readonly keys: readonly string[];
  /** Roughly how many rows it writes; bounds a group. */
  readonly weight: number;
  readonly validateOnly: boolean;
  readonly needs: WriteNeeds;
  /** Set when the caller may send the request again and must get the first answer. */
  readonly request?: IdempotentRequest<T>;
  /** Rows of the ledger that it must see, known only with the tasks at hand. */
  readonly executionsNeeded?: (view: WriteView) => readonly ExecutionKey[];
  /** Tasks, of those at hand, whose webhooks it must see. */
  readonly webhooksNeeded?: (view: WriteView) => readonly number[];
  /** Throws ServiceError to refuse; nothing that it staged is then written. */
  readonly decide: (view: WriteView, stage: Stage) => Decision<T>;
}

/** Answers once the group is written: only then the ids of what was created are known. */
export type Decision<T> = (ids: AssignedIds) => T;

export interface AssignedIds {
  /** The task of a row that was created, with its id. It is told to watchers as well: nobody writes to it. */
  created(row: TaskRow): Task;
}

export interface WriteNeeds {
  readonly taskIds?: readonly number[];
  /** Tasks of which no more is needed than what moves them; none of `taskIds`. */
  readonly cursorsOf?: readonly number[];
  readonly names?: readonly string[];
  /** Tasks whose unfinished executions are needed. */
  readonly unfinishedOf?: readonly number[];
  readonly incarnations?: boolean;
}

export interface IdempotentRequest<T> {
  readonly id: string;
  /** SHA-256 of the method and the request. */
  readonly fingerprint: Uint8Array;
  readonly encode: (answer: T) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => T;
}

/** What the commands of a group see: rows that are locked, as they were when the group began. */
export interface WriteView {
  readonly nowMs: number;
  readonly tasks: ReadonlyMap<number, TaskRow>;
  readonly cursors: ReadonlyMap<number, TaskCursor>;
  /** Names that are taken, and by which task. Where the unique key is to judge, none. */
  readonly names: ReadonlyMap<string, number>;
  readonly webhooks: ReadonlyMap<number, Webhook>;
  execution(key: ExecutionKey): ExecutionRow | undefined;
  unfinishedOf(taskId: number): readonly ExecutionRow[];
  /** Registrations that have not ended, with the scheduler's name. */
  readonly incarnations: ReadonlyMap<number, string>;
}

/** What a command writes. */
export interface Stage {
  createTask(row: TaskRow): void;
  /** A change that a user made: it shows in the change stream. */
  updateTask(row: TaskRow, previous: TaskRow): void;
  deleteTask(row: TaskRow): void;
  /** A claim or report moved the cursor, the state or the count: no change of the task. */
  moveTask(row: MovedTask): void;
  saveExecution(row: ExecutionRow): void;
  /** The same, quicker, where its state and times alone have changed, and it has no error. */
  endExecution(row: ExecutionRow): void;
}
