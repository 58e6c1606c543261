/** What may be under way at a time. A reminder calls nobody and counts nowhere. */
export interface RunLimits {
  /** Runs in flight, of this scheduler. */
  readonly maxConcurrency: number;
  /** Of them, at one target host. */
  readonly maxConcurrencyPerHost: number;
  /** Of these, of one task. */
  readonly maxConcurrencyPerTask: number;
  /** Starts a second at one target host; 0: no limit. */
  readonly maxRatePerHost: number;
}
