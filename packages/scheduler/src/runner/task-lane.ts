import { Fifo } from "./fifo.js";

/** What waits of a task at one host, in order, and how many of it are in flight. */
export class TaskLane<T extends NonNullable<unknown>> {
  readonly taskId: number;
  /** It stands among its host's tasks that may start. */
  isReady = false;
  readonly #maxInFlight: number;
  readonly #waiting = new Fifo<T>();
  #inFlight = 0;

  constructor(taskId: number, maxInFlight: number) {
    this.taskId = taskId;
    this.#maxInFlight = maxInFlight;
  }

  get mayStart(): boolean {
    return this.#waiting.size > 0 && this.#inFlight < this.#maxInFlight;
  }

  get isIdle(): boolean {
    return this.#waiting.size === 0 && this.#inFlight === 0;
  }

  add(item: T): void {
    this.#waiting.push(item);
  }

  /**
   * The first that is wanted, in flight from now on; those before it are forgotten. Bounded by what was added: each is
   * looked at once.
   */
  take(isWanted: (item: T) => boolean): T | undefined {
    for (let item = this.#waiting.shift(); item !== undefined; item = this.#waiting.shift()) {
      if (!isWanted(item)) continue;
      this.#inFlight++;
      return item;
    }
    return undefined;
  }

  end(): void {
    this.#inFlight--;
  }
}
