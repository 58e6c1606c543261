import type { SetTimer } from "./run-queue.js";

/** A monotonic clock that a test turns, and the timers that go by it. */
export class DrivenTimer {
  #nowMs = 0;
  readonly #timers = new Map<object, { readonly atMs: number; readonly fire: () => void }>();

  readonly nowMs = (): number => this.#nowMs;

  readonly setTimer: SetTimer = (fire, delayMs) => {
    const key = {};
    this.#timers.set(key, { atMs: this.#nowMs + delayMs, fire });
    return () => void this.#timers.delete(key);
  };

  /** How many are set. */
  get size(): number {
    return this.#timers.size;
  }

  /** Time passes; timers fire each at its moment. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const [first] = [...this.#timers].sort(([, a], [, b]) => a.atMs - b.atMs);
      if (first === undefined || first[1].atMs > endMs) break;
      const [key, { atMs, fire }] = first;
      this.#timers.delete(key);
      this.#nowMs = Math.max(this.#nowMs, atMs);
      fire();
    }
    this.#nowMs = endMs;
  }
}
