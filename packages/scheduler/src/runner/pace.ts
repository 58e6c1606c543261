/**
 * How far starts may run ahead of an even pace, at least: timers come a few milliseconds late, and a rate whose starts
 * lie closer together than that would not be reached by single steps.
 */
const smallestLeadMs = 5;

/**
 * Spaces out starts: so many a second, evenly, and after a pause one more at once. Each start uses up an interval of
 * time; the next may come when no more than the lead is used up in advance. (The generic cell rate algorithm, ITU-T I.371,
 * as a virtual schedule: `#usedUntilMs` is its theoretical arrival time.) A late start does not put off those after it, as
 * long as it is late by less than the lead.
 *
 * A start in `intervalMs` at most, over any time, and beyond that no more than the lead's: one, up to 200 a second.
 */
export class Pace {
  readonly #intervalMs: number;
  readonly #leadMs: number;
  #usedUntilMs = Number.NEGATIVE_INFINITY;

  /** @param startsPerSecond 0: no limit */
  constructor(startsPerSecond: number) {
    this.#intervalMs = startsPerSecond === 0 ? 0 : 1_000 / startsPerSecond;
    this.#leadMs = startsPerSecond === 0 ? 0 : Math.max(smallestLeadMs, this.#intervalMs);
  }

  /** The next may start from this moment on. */
  get nextMs(): number {
    return this.#usedUntilMs - this.#leadMs;
  }

  /** From this moment on, what has started makes no difference any more. */
  get recoveredMs(): number {
    return this.#usedUntilMs;
  }

  started(nowMs: number): void {
    this.#usedUntilMs = Math.max(nowMs, this.#usedUntilMs) + this.#intervalMs;
  }
}
