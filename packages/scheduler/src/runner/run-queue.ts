export interface RunQueueOptions<T> {
  /** Runs in flight. */
  readonly maxConcurrency: number;
  /** Asked before each start; while it is false, what is due waits. When that changes, call `resume`. */
  readonly isOpen: () => boolean;
  /** Runs one, if it is still to run. Never rejects. */
  readonly run: (item: T) => Promise<void>;
}

/** Starts in one turn of the event loop. */
const startsPerTurn = 1_000;

/** Runs what is due, in order, so many at a time, and lets other work in between. Bounded by the claims that are held. */
export class RunQueue<T> {
  readonly #options: RunQueueOptions<T>;
  #waiting: T[] = [];
  /** Everything before it has started. */
  #head = 0;
  #inFlight = 0;
  #startsLeft = startsPerTurn;
  #isTurnDue = false;

  constructor(options: RunQueueOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.length - this.#head;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  add(items: readonly T[]): void {
    for (const item of items) this.#waiting.push(item);
    this.resume();
  }

  resume(): void {
    const { maxConcurrency, isOpen, run } = this.#options;
    while (this.size > 0 && this.#inFlight < maxConcurrency && isOpen()) {
      if (this.#startsLeft === 0) break;
      this.#startsLeft--;
      this.#inFlight++;
      void run(this.#next()).then(() => {
        this.#inFlight--;
        this.resume();
      });
    }
    if (this.#startsLeft < startsPerTurn) this.#resumeNextTurn();
  }

  #next(): T {
    const item = this.#waiting[this.#head++] as T;
    if (this.#head === this.#waiting.length || this.#head >= startsPerTurn) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  #resumeNextTurn(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => {
      this.#isTurnDue = false;
      this.#startsLeft = startsPerTurn;
      this.resume();
    });
  }
}
