import type { Clock } from "./clock.js";

/** How many of the last answers are compared. */
const maxSamples = 16;
/** Whole milliseconds of the wall clock cost up to one. */
const resolutionMs = 1;
/** How fast two clocks may drift apart: 100 ppm. An old sample of a short round trip loses to a new one in time. */
const driftPerMs = 1e-4;

/** One answer that carried the server's time. */
export interface ClockSample {
  /** Monotonic. */
  readonly sentAtMs: number;
  /** Monotonic. */
  readonly receivedAtMs: number;
  /** This machine's wall clock when the answer came. */
  readonly receivedWallMs: number;
  readonly serverTimeMs: number;
}

interface Estimate {
  readonly offsetMs: number;
  readonly errorMs: number;
  readonly atMs: number;
}

/**
 * The database's clock, as this machine reckons it: its own wall clock and an offset, learnt as NTP does from the middle
 * of round trips (RFC 5905, section 8), of which the one with the smallest possible error counts. An offset within that
 * error counts as none, so that on one machine the two clocks are equal. A sample that contradicts older ones puts them
 * out: the server's clock was set.
 *
 * Unsynchronised (before the first sample, and after `invalidate`) it still answers, by the last offset; nobody may fire
 * by it then.
 */
export class ServerClock {
  readonly #clock: Clock;
  #estimates: Estimate[] = [];
  #invalidatedAtMs = Number.NEGATIVE_INFINITY;
  #offsetMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Server time less the wall clock. */
  get offsetMs(): number {
    return this.#offsetMs;
  }

  get isSynchronised(): boolean {
    return this.#estimates.length > 0;
  }

  nowMs(): number {
    return this.#clock.wallMs() + this.#offsetMs;
  }

  /** What the wall clock shows at an instant of the server's clock. */
  wallOf(serverMs: number): number {
    return serverMs - this.#offsetMs;
  }

  /** Ignored when it was sent before the last `invalidate`. */
  learn(sample: ClockSample): void {
    if (sample.sentAtMs <= this.#invalidatedAtMs || !Number.isFinite(sample.serverTimeMs)) return;
    const roundTripMs = sample.receivedAtMs - sample.sentAtMs;
    const estimate: Estimate = {
      offsetMs: sample.serverTimeMs - (sample.receivedWallMs - roundTripMs / 2),
      errorMs: roundTripMs / 2 + resolutionMs,
      atMs: sample.receivedAtMs,
    };
    const consistent = this.#estimates.filter((older) => {
      return Math.abs(older.offsetMs - estimate.offsetMs) <= errorOf(older, estimate.atMs) + estimate.errorMs;
    });
    this.#estimates = [...consistent.slice(1 - maxSamples), estimate];
    this.#offsetMs = offsetOf(this.#estimates, estimate.atMs);
  }

  /** The wall clock was set, or time passed unnoticed: what was learnt before counts no more. */
  invalidate(): void {
    this.#estimates = [];
    this.#invalidatedAtMs = this.#clock.monotonicMs();
  }
}

function errorOf({ errorMs, atMs }: Estimate, nowMs: number): number {
  return errorMs + (nowMs - atMs) * driftPerMs;
}

function offsetOf(estimates: readonly Estimate[], nowMs: number): number {
  const best = estimates.reduce((a, b) => (errorOf(b, nowMs) <= errorOf(a, nowMs) ? b : a));
  return Math.abs(best.offsetMs) <= errorOf(best, nowMs) ? 0 : best.offsetMs;
}
