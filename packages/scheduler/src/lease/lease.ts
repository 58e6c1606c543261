import type { Clock } from "./clock.js";

const smallestMarginMs = 500;
const marginShare = 0.1;

/**
 * How long this scheduler may still start what it holds: a lease, less a margin, after the *sending* of the last call
 * that the API acknowledged. The API began to count no sooner, so nobody else holds the claims before that. All of it by
 * the monotonic clock of this machine alone.
 */
export class Lease {
  readonly #clock: Clock;
  #validUntilMs = Number.NEGATIVE_INFINITY;
  #invalidatedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isValid(): boolean {
    return this.#clock.monotonicMs() < this.#validUntilMs;
  }

  /** 0 when it is over. */
  get remainingMs(): number {
    return Math.max(0, this.#validUntilMs - this.#clock.monotonicMs());
  }

  /** @param sentAtMs monotonic; what was sent before the last `end` counts no more */
  renew(sentAtMs: number, leaseMs: number): void {
    if (sentAtMs <= this.#invalidatedAtMs) return;
    this.#validUntilMs = Math.max(this.#validUntilMs, sentAtMs + leaseMs - marginMs(leaseMs));
  }

  /** The incarnation ended, or the machine may have slept: only what is sent from now on counts. */
  end(): void {
    this.#validUntilMs = Number.NEGATIVE_INFINITY;
    this.#invalidatedAtMs = this.#clock.monotonicMs();
  }
}

/** At most half a lease, so that the shortest leases work too. */
function marginMs(leaseMs: number): number {
  return Math.min(leaseMs / 2, Math.max(smallestMarginMs, leaseMs * marginShare));
}
