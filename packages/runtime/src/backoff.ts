export interface BackoffOptions {
  /** The longest first wait. */
  readonly initialMs: number;
  /** No wait is longer. */
  readonly maxMs: number;
  /** Between 0 (inclusive) and 1 (exclusive); default: Math.random. */
  readonly random?: () => number;
}

/**
 * Waits between attempts: exponential with full jitter, so that those who failed together do not come back together.
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export class Backoff {
  readonly #initialMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  #ceilingMs: number;

  constructor({ initialMs, maxMs, random = Math.random }: BackoffOptions) {
    if (!(initialMs > 0 && maxMs >= initialMs)) throw new RangeError("a backoff needs 0 < initialMs <= maxMs");
    this.#initialMs = initialMs;
    this.#maxMs = maxMs;
    this.#random = random;
    this.#ceilingMs = initialMs;
  }

  /** The next wait in milliseconds: anything from 0 to a ceiling that doubles with each call. */
  nextMs(): number {
    const ceilingMs = this.#ceilingMs;
    this.#ceilingMs = Math.min(ceilingMs * 2, this.#maxMs);
    return this.#random() * ceilingMs;
  }

  /** After a success: the next wait is the first again. */
  reset(): void {
    this.#ceilingMs = this.#initialMs;
  }
}

export function createBackoff(options: BackoffOptions): Backoff {
  return new Backoff(options);
}
