import type { Task } from "@taskscheduler/proto";
import type { TaskInit } from "../integration/api-fixture.js";

/** A task as the model keeps it: what users set, and what follows from it while nothing falls due. */
export interface ModelTask {
  readonly id: number;
  readonly name: string;
  readonly scheduledTimeMs: number;
  /** The proto's number. */
  readonly recurrence: number;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly pauseReason: string | undefined;
  readonly etag: string;
}

/** What a request may give of a task. */
export type Draft = Partial<Pick<ModelTask, "name" | "scheduledTimeMs" | "recurrence" | "description" | "labels">>;

export interface TaskFilter {
  readonly isPaused?: boolean;
  readonly nameContains?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export const MASK_FIELDS = ["name", "scheduled_time", "recurrence", "description", "labels"] as const;
export type MaskField = (typeof MASK_FIELDS)[number];

const CLEARED = { recurrence: 0, description: "", labels: {} };
const KEYS = {
  name: "name",
  scheduled_time: "scheduledTimeMs",
  recurrence: "recurrence",
  description: "description",
  labels: "labels",
} as const satisfies Record<MaskField, keyof Draft>;

/** What the API should hold, in memory: as simple as its contract allows. */
export class TaskModel {
  readonly tasks = new Map<number, ModelTask>();
  /** State by execution id; those of deleted tasks stay. */
  readonly executions = new Map<string, { readonly taskId: number; readonly state: "PENDING" | "CANCELLED" }>();

  /** By a number of any size: the same number means the same task while none is added or deleted. */
  pick(number: number): ModelTask | undefined {
    return [...this.tasks.values()][number % (this.tasks.size + 1)];
  }

  isTaken(name: string, exceptId = 0): boolean {
    return [...this.tasks.values()].some((task) => task.name === name && task.id !== exceptId);
  }

  list({ isPaused, nameContains = "", labels = {} }: TaskFilter): ModelTask[] {
    return [...this.tasks.values()].filter(
      (task) =>
        (isPaused === undefined || isPaused === (task.pauseReason !== undefined)) &&
        task.name.toLowerCase().includes(nameContains.toLowerCase()) &&
        Object.entries(labels).every(([key, value]) => task.labels[key] === value),
    );
  }

  delete(id: number): void {
    this.tasks.delete(id);
    for (const [key, execution] of this.executions) {
      if (execution.taskId === id) this.executions.set(key, { taskId: id, state: "CANCELLED" });
    }
  }
}

/** What an update makes of a task; undefined when a field that must be set is cleared. */
export function updated(task: ModelTask, draft: Draft, mask: readonly (MaskField | "*")[]): ModelTask | undefined {
  const isSet = (field: MaskField): boolean => {
    const value = draft[KEYS[field]];
    if (value === undefined || value === "" || value === 0) return false;
    return typeof value !== "object" || Object.keys(value).length > 0;
  };
  const fields = mask.includes("*") ? MASK_FIELDS : MASK_FIELDS.filter((field) => mask.includes(field));
  const changed = mask.length === 0 ? MASK_FIELDS.filter(isSet) : fields;
  if (changed.some((field) => (field === "name" || field === "scheduled_time") && !isSet(field))) return undefined;
  const values = changed.map((field) => [KEYS[field], draft[KEYS[field]] ?? CLEARED[field as keyof typeof CLEARED]]);
  return { ...task, ...Object.fromEntries(values) };
}

/** Whether two tasks are the same in all that users set. */
export function isSame(a: ModelTask, b: ModelTask): boolean {
  const text = ({ etag: _, labels, ...rest }: ModelTask) =>
    JSON.stringify([Object.entries(rest).sort(), Object.entries(labels).sort()]);
  return text(a) === text(b);
}

export function compareBy(orderBy: string): (a: ModelTask, b: ModelTask) => number {
  const [field, direction] = orderBy.split(" ");
  const nextRun = ({ pauseReason, scheduledTimeMs }: ModelTask) =>
    pauseReason === undefined ? scheduledTimeMs : Number.NEGATIVE_INFINITY;
  const compare = (a: ModelTask, b: ModelTask): number => {
    if (field === "name" && a.name !== b.name) return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
    if (field === "next_run_time" && nextRun(a) !== nextRun(b)) return nextRun(a) < nextRun(b) ? -1 : 1;
    return a.id - b.id;
  };
  return direction === "desc" ? (a, b) => compare(b, a) : compare;
}

export function initOf({ scheduledTimeMs, ...draft }: Draft): TaskInit {
  if (scheduledTimeMs === undefined) return draft;
  const seconds = BigInt(scheduledTimeMs / 1000);
  return { ...draft, scheduledTime: { $typeName: "google.protobuf.Timestamp", seconds, nanos: 0 } };
}

/** A task of an answer, as the model would keep it. */
export function modelOf(task: Task | undefined): ModelTask {
  if (task === undefined) throw new Error("the answer lacks its task");
  return {
    id: task.id,
    name: task.name,
    scheduledTimeMs: Number(task.scheduledTime?.seconds) * 1000,
    recurrence: task.recurrence,
    description: task.description,
    labels: { ...task.labels },
    pauseReason: task.nextRunTime === undefined ? task.pauseReason : undefined,
    etag: task.etag,
  };
}
