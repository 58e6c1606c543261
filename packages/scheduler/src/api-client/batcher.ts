import type { Backoff } from "@taskscheduler/runtime";

export interface BatcherOptions<T> {
  readonly maxItems: number;
  readonly maxInFlight: number;
  /** The wait after a call that failed. */
  readonly backoff: Backoff;
  /** Whether calls may begin. When that changes, call `flush`. */
  readonly isOpen: () => boolean;
  /** An item for which this is false when its turn comes is left out and forgotten. */
  readonly isWanted: (item: T) => boolean;
  /** Resolves when all items are settled; when it rejects, all that are still wanted are tried again. */
  readonly send: (items: readonly T[]) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

/**
 * Gathers what waits into calls, without a timer: what arrives while calls are in flight goes into the next one.
 *
 * An item is waiting (once, however often it is added), in a call, or unknown.
 */
export class Batcher<T> {
  readonly #options: BatcherOptions<T>;
  readonly #waiting = new Set<T>();
  /** What waits, in order, and what was deleted since; a Set is slow to give up its first entries. */
  #queue: T[] = [];
  #inFlight = 0;
  #isFlushDue = false;
  #retryTimer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: BatcherOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.size;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  add(item: T): void {
    this.#enqueue(item);
    this.flush();
  }

  delete(item: T): void {
    this.#waiting.delete(item);
  }

  /** Sends what waits, after what else happens in this turn of the event loop. */
  flush(): void {
    if (this.#isFlushDue || this.#isStopped) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  /** No further call begins. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
  }

  #flush(): void {
    const { maxInFlight, isOpen } = this.#options;
    while (!this.#isStopped && this.#retryTimer === undefined && this.#inFlight < maxInFlight && isOpen()) {
      const items = this.#take();
      if (items.length === 0) return;
      void this.#send(items);
    }
  }

  #take(): T[] {
    const items: T[] = [];
    let taken = 0;
    for (const item of this.#queue) {
      if (items.length === this.#options.maxItems) break;
      taken++;
      if (this.#waiting.delete(item) && this.#options.isWanted(item)) items.push(item);
    }
    this.#queue = this.#queue.slice(taken);
    return items;
  }

  #enqueue(item: T): void {
    if (this.#waiting.has(item)) return;
    this.#waiting.add(item);
    this.#queue.push(item);
  }

  async #send(items: readonly T[]): Promise<void> {
    this.#inFlight++;
    try {
      await this.#options.send(items);
      this.#options.backoff.reset();
    } catch (error) {
      for (const item of items) if (this.#options.isWanted(item)) this.#enqueue(item);
      this.#options.onFailure(error);
      this.#waitABit();
    } finally {
      this.#inFlight--;
    }
    this.flush();
  }

  #waitABit(): void {
    if (this.#retryTimer !== undefined || this.#isStopped) return;
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      this.flush();
    }, this.#options.backoff.nextMs());
  }
}

/**
 * Sends a batch; where the API refuses its content, sends its halves, until the item that is at fault stands alone. One
 * that is refused for good is given up; one that is too large even so is tried again by whoever sends the batch.
 */
export async function sendApart<T>(
  items: readonly T[],
  send: (items: readonly T[]) => Promise<void>,
  verdictOn: (error: unknown) => "PERMANENT" | "TOO_LARGE" | undefined,
  giveUp: (item: T, error: unknown) => void,
): Promise<void> {
  try {
    await send(items);
  } catch (error) {
    const verdict = verdictOn(error);
    if (verdict === undefined) throw error;
    const [first] = items;
    if (first === undefined) return;
    if (items.length === 1 && verdict === "TOO_LARGE") throw error;
    if (items.length === 1) return giveUp(first, error);
    const middle = items.length >> 1;
    const halves = [items.slice(0, middle), items.slice(middle)];
    // One after the other, and the second though the first failed: it is not at fault.
    const failures: unknown[] = [];
    for (const half of halves) {
      await sendApart(half, send, verdictOn, giveUp).catch((failure: unknown) => failures.push(failure));
    }
    if (failures.length > 0) throw failures[0];
  }
}
