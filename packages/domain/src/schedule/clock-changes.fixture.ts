/** An instant at which the clocks of a zone jump. */
export interface ClockChange {
  readonly timeZone: string;
  readonly timeMs: number;
}

/** Clock changes that are hard for schedules: gaps, overlaps and days that a zone never had. */
export const CLOCK_CHANGES: readonly ClockChange[] = [
  { timeZone: "America/New_York", timeMs: Date.UTC(2026, 2, 8, 7) },
  { timeZone: "America/New_York", timeMs: Date.UTC(2026, 10, 1, 6) },
  { timeZone: "Europe/Berlin", timeMs: Date.UTC(2026, 2, 29, 1) },
  { timeZone: "Europe/Berlin", timeMs: Date.UTC(2026, 9, 25, 1) },
  // Half an hour.
  { timeZone: "Australia/Lord_Howe", timeMs: Date.UTC(2026, 3, 4, 15) },
  { timeZone: "Australia/Lord_Howe", timeMs: Date.UTC(2026, 9, 3, 15, 30) },
  // At midnight.
  { timeZone: "America/Santiago", timeMs: Date.UTC(2026, 8, 6, 4) },
  { timeZone: "America/Santiago", timeMs: Date.UTC(2026, 3, 5, 3) },
  // A whole day.
  { timeZone: "Pacific/Apia", timeMs: Date.UTC(2011, 11, 30, 10) },
  { timeZone: "Pacific/Kwajalein", timeMs: Date.UTC(1993, 7, 21, 12) },
];
