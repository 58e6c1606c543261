export interface LogPaceOptions {
  /** How long a message of one kind is left out after it was logged. */
  readonly intervalMs: number;
  /** How many kinds are logged within the interval; default: 1000. A further one waits for the next interval. */
  readonly maxKinds?: number;
  /** A clock that only goes forward; default: this process's. */
  readonly nowMs?: () => number;
}

/** Bounds how often messages of each kind are logged, and counts those that are left out. */
export class LogPace {
  readonly #intervalMs: number;
  readonly #maxKinds: number;
  readonly #nowMs: () => number;
  readonly #kinds = new Map<string, { readonly loggedMs: number; leftOut: number }>();

  constructor({ intervalMs, maxKinds = 1_000, nowMs = () => performance.now() }: LogPaceOptions) {
    this.#intervalMs = intervalMs;
    this.#maxKinds = maxKinds;
    this.#nowMs = nowMs;
  }

  /** @returns undefined: the message is to be left out. Else how many of its kind were left out before it. */
  take(kind: string): { readonly leftOut: number } | undefined {
    const known = this.#kinds.get(kind);
    if (known !== undefined && !this.#isOver(known.loggedMs)) {
      known.leftOut += 1;
      return undefined;
    }
    if (known === undefined && this.#isFull()) return undefined;
    this.#kinds.set(kind, { loggedMs: this.#nowMs(), leftOut: 0 });
    return { leftOut: known?.leftOut ?? 0 };
  }

  #isOver(loggedMs: number): boolean {
    return this.#nowMs() - loggedMs >= this.#intervalMs;
  }

  #isFull(): boolean {
    if (this.#kinds.size < this.#maxKinds) return false;
    for (const [kind, { loggedMs }] of this.#kinds) if (this.#isOver(loggedMs)) this.#kinds.delete(kind);
    return this.#kinds.size >= this.#maxKinds;
  }
}
