import type { Clock } from "./clock.js";

/** A clock that a test turns. */
export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 1_000;

  constructor(wallMs = 1_700_000_000_000) {
    this.#wallMs = wallMs;
  }

  wallMs(): number {
    return Math.floor(this.#wallMs);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Time passes. */
  advance(ms: number): void {
    this.#wallMs += ms;
    this.#monotonicMs += ms;
  }

  /** The wall clock is set; as after a suspend, where the monotonic one stood still. */
  step(ms: number): void {
    this.#wallMs += ms;
  }
}
