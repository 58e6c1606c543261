import type { Clock } from "./clock.js";

/** How many of the last answers are compared. */
const maxSamples = 16;
/** Whole milliseconds of the wall clock cost up to one. */
const resolutionMs = 1;
/** Clocks that agree within a reading's error are taken for one, if the error is too little to be early by. */
const sameClockMs = 2;
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
 * The database's clock, as this machine reckons it: its own wall clock and a correction, learnt as NTP does from round
 * trips (RFC 5905, section 8). The offset is the middle of the one with the smallest possible error. One within that
 * error counts as none, so that on one machine the two clocks are equal; any other is corrected by the least that all
 * round trips allow, as nothing may fire early: the clock is then behind the server's by that error, never ahead of it.
 * A sample that contradicts older ones puts them out: the server's clock was set.
 *
 * Unsynchronised (before the first sample, and after `invalidate`) it still answers, by the last correction; nobody may fire
 * by it then.
 */
export class ServerClock {
  readonly #clock: Clock;
  #estimates: Estimate[] = [];
  #invalidatedAtMs = Number.NEGATIVE_INFINITY;
  #offsetMs = 0;
  #correctionMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Server time less the wall clock, as near as is known. */
  get offsetMs(): number {
    return this.#offsetMs;
  }

  /** What is added to the wall clock: the offset, or less. */
  get correctionMs(): number {
    return this.#correctionMs;
  }

  get isSynchronised(): boolean {
    return this.#estimates.length > 0;
  }

  nowMs(): number {
    return this.#clock.wallMs() + this.#correctionMs;
  }

  /** What the wall clock shows at an instant of the server's clock. */
  wallOf(serverMs: number): number {
    return serverMs - this.#correctionMs;
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
    this.#correctionMs = isSameClock(this.#estimates, estimate.atMs)
      ? 0
      : leastOffsetOf(this.#estimates, estimate.atMs);
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

/** Nothing says that they differ, and what a reading cannot tell is too little to be early by. */
function isSameClock(estimates: readonly Estimate[], nowMs: number): boolean {
  return offsetOf(estimates, nowMs) === 0 && Math.min(...estimates.map((e) => errorOf(e, nowMs))) <= sameClockMs;
}

function offsetOf(estimates: readonly Estimate[], nowMs: number): number {
  const best = estimates.reduce((a, b) => (errorOf(b, nowMs) <= errorOf(a, nowMs) ? b : a));
  return Math.abs(best.offsetMs) <= errorOf(best, nowMs) ? 0 : best.offsetMs;
}

/** The server's clock is at least this far ahead: each of the estimates says at least so much, and none too much. */
function leastOffsetOf(estimates: readonly Estimate[], nowMs: number): number {
  return Math.max(...estimates.map((estimate) => estimate.offsetMs - errorOf(estimate, nowMs)));
}
