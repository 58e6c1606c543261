import { Fifo } from "./fifo.js";
import { Pace } from "./pace.js";
import type { RunLimits } from "./run-limits.js";
import { TaskLane } from "./task-lane.js";

/** One run of a host's, from its start to its end. */
export interface Call<T extends NonNullable<unknown>> {
  readonly item: T;
  readonly host: HostLane<T>;
  readonly task: TaskLane<T>;
}

/**
 * The runs of one target host, by task. Tasks that may start stand in line for the host's turns; one at its own limit has
 * left the line until a run of its ends, and one with nothing to run is forgotten.
 */
export class HostLane<T extends NonNullable<unknown>> {
  readonly host: string;
  readonly pace: Pace;
  /** It stands in the rotation of hosts. */
  isInRotation = false;
  readonly #limits: RunLimits;
  readonly #tasks = new Map<number, TaskLane<T>>();
  readonly #ready = new Fifo<TaskLane<T>>();
  #inFlight = 0;

  constructor(host: string, limits: RunLimits) {
    this.host = host;
    this.pace = new Pace(limits.maxRatePerHost);
    this.#limits = limits;
  }

  /** Whether anything may start, but for its pace. */
  get mayStart(): boolean {
    return this.#ready.size > 0 && this.#inFlight < this.#limits.maxConcurrencyPerHost;
  }

  /** Nothing waits, nothing is in flight. */
  get isIdle(): boolean {
    return this.#tasks.size === 0;
  }

  add(item: T, taskId: number): void {
    let task = this.#tasks.get(taskId);
    if (task === undefined) {
      task = new TaskLane(taskId, this.#limits.maxConcurrencyPerTask);
      this.#tasks.set(taskId, task);
    }
    task.add(item);
    this.#place(task);
  }

  /** The next that is wanted, of the task whose turn it is; in flight from now on. */
  take(isWanted: (item: T) => boolean): Call<T> | undefined {
    for (let task = this.#ready.shift(); task !== undefined; task = this.#ready.shift()) {
      task.isReady = false;
      const item = task.take(isWanted);
      this.#place(task);
      if (item === undefined) continue;
      this.#inFlight++;
      return { item, host: this, task };
    }
    return undefined;
  }

  end(task: TaskLane<T>): void {
    this.#inFlight--;
    task.end();
    this.#place(task);
  }

  /** What may start goes to the end of the line. A task in the line stays one that may start until its turn. */
  #place(task: TaskLane<T>): void {
    if (task.isReady) return;
    if (task.mayStart) {
      task.isReady = true;
      this.#ready.push(task);
    } else if (task.isIdle) {
      this.#tasks.delete(task.taskId);
    }
  }
}
