import type { Clock } from "./clock.js";

/** Less than this is noise of reading two clocks one after the other. */
const thresholdMs = 10;
/** Two readings of the monotonic clock this close together hold the wall clock's between them. */
const closeMs = 1;
const maxReadings = 5;

/**
 * Notices that the wall clock was set, or that the machine was suspended: the wall clock and the monotonic one then no
 * longer move together. (Linux slews both alike, so that slewing is no step.)
 *
 * `check` is cheap, and is asked before anything that depends on time; `tick`, once a second, also lets the two drift
 * apart slowly.
 */
export class StepWatch {
  readonly #clock: Clock;
  readonly #onStep: (stepMs: number) => void;
  #differenceMs: number;

  constructor(clock: Clock, onStep: (stepMs: number) => void) {
    this.#clock = clock;
    this.#onStep = onStep;
    this.#differenceMs = this.#read();
  }

  /** Calls `onStep` when there was one since the last time. */
  check(): void {
    const roughMs = this.#clock.wallMs() - this.#clock.monotonicMs() - this.#differenceMs;
    if (Math.abs(roughMs) >= thresholdMs) this.tick();
  }

  tick(): void {
    const differenceMs = this.#read();
    const stepMs = differenceMs - this.#differenceMs;
    this.#differenceMs = differenceMs;
    if (Math.abs(stepMs) >= thresholdMs) this.#onStep(stepMs);
  }

  #read(): number {
    let differenceMs = 0;
    for (let reading = 0; reading < maxReadings; reading++) {
      const beforeMs = this.#clock.monotonicMs();
      differenceMs = this.#clock.wallMs() - beforeMs;
      if (this.#clock.monotonicMs() - beforeMs < closeMs) break;
    }
    return differenceMs;
  }
}
