import { DAY_MS } from "./calendar.js";
import { findDayGaps } from "./day-gaps.js";
import { createOffsetFormat, readOffset } from "./offset-format.js";
import { MAX_TIME_MS, MIN_TIME_MS } from "./time-range.js";
import { parseOffset, parseTimeZone } from "./time-zone-name.js";

/**
 * The rules of one time zone: which wall time its clocks show at an instant, and at which instant they show a wall
 * time. A clock change makes a gap, whose wall times the clocks skip, or an overlap, whose wall times they show twice.
 */
export interface TimeZone {
  /** The milliseconds that the zone's clocks are ahead of UTC at an instant; negative when they are behind. */
  offsetMsAt(timeMs: number): number;
  /**
   * The instant of a wall time, by the rule that Temporal calls "compatible". A wall time in an overlap is its first
   * pass. A wall time in a gap is read with the offset before the gap: 02:30 becomes the instant shown as 03:30.
   */
  resolve(wallMs: number): WallInstant;
  /** The wall times at which gaps of at least a day begin, ascending. Only there can two wall times be one instant. */
  dayGapWallsMs(): readonly number[];
}

/** The instant at which a zone's clocks show a wall time. */
export interface WallInstant {
  readonly timeMs: number;
  /** True when the wall time lies in a gap, so that the clocks show a later wall time at this instant. */
  readonly inGap: boolean;
}

/** Maximum zones kept. There are about 600, but a caller's spelling of a name may be another key. */
const MAX_CACHED_ZONES = 2048;
/** Maximum offsets kept for each zone. */
const MAX_CACHED_OFFSETS = 512;

const UTC: TimeZone = createFixedZone(0);
const zones = new Map<string, TimeZone>([["UTC", UTC]]);

/** Finds the rules of a zone by its canonical id, and keeps them; undefined when the id is no time zone. */
export function findTimeZone(id: string): TimeZone | undefined {
  const known = zones.get(id);
  if (known !== undefined) return known;
  const zone = createZone(id);
  if (zone === undefined) return undefined;
  if (zones.size >= MAX_CACHED_ZONES) zones.clear();
  zones.set(id, zone);
  return zone;
}

/** As {@link findTimeZone}, but throws a RangeError when the id is no time zone. */
export function timeZoneOf(id: string): TimeZone {
  const zone = findTimeZone(id);
  if (zone === undefined) throw new RangeError(`unknown time zone: ${id}`);
  return zone;
}

function createZone(id: string): TimeZone | undefined {
  const canonical = parseTimeZone(id);
  if (canonical === undefined) return undefined;
  const offsetMs = parseOffset(canonical);
  if (offsetMs !== undefined) return createFixedZone(offsetMs);
  const format = createOffsetFormat(canonical);
  if (format === undefined) return undefined;
  // `Etc/UTC`, `GMT` and other names of UTC need no history.
  return format.resolvedOptions().timeZone === "UTC" ? UTC : createNamedZone(format);
}

function createFixedZone(offsetMs: number): TimeZone {
  return {
    offsetMsAt: () => offsetMs,
    resolve: (wallMs) => ({ timeMs: wallMs - offsetMs, inGap: false }),
    dayGapWallsMs: () => [],
  };
}

/** Creates a zone with a history. Intl tells it instant by instant (docs/adr/0005), and the latest answers are kept. */
function createNamedZone(format: Intl.DateTimeFormat): TimeZone {
  const offsets = new Map<number, number>();
  let dayGaps: readonly number[] | undefined;

  function offsetMsAt(timeMs: number): number {
    // Clock changes happen at whole seconds. Before the year 1 every zone has its local mean time.
    const second = Math.floor(Math.min(Math.max(timeMs, MIN_TIME_MS), MAX_TIME_MS) / 1000);
    const known = offsets.get(second);
    if (known !== undefined) return known;
    const offsetMs = readOffset(format, second * 1000);
    if (offsets.size >= MAX_CACHED_OFFSETS) offsets.clear();
    offsets.set(second, offsetMs);
    return offsetMs;
  }

  function resolve(wallMs: number): WallInstant {
    // Every offset is smaller than a day, so the offsets a day before and a day after are those on either side of the
    // wall time. There is no third, because no zone has changed its clocks twice in two days (tzdata 2025c: four days).
    const before = offsetMsAt(wallMs - DAY_MS);
    // The offset before the clock change comes first, because it gives the first pass of an overlap.
    if (offsetMsAt(wallMs - before) === before) return { timeMs: wallMs - before, inGap: false };
    const after = offsetMsAt(wallMs + DAY_MS);
    if (offsetMsAt(wallMs - after) === after) return { timeMs: wallMs - after, inGap: false };
    return { timeMs: wallMs - before, inGap: true };
  }

  return {
    offsetMsAt,
    resolve,
    dayGapWallsMs: () => {
      dayGaps ??= findDayGaps(offsetMsAt);
      return dayGaps;
    },
  };
}
