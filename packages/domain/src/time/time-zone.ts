import { DAY_MS } from "./calendar.js";
import { MAX_TIME_MS, MIN_TIME_MS } from "./time-range.js";

/** What a wall time of a zone is as an instant. */
export interface WallInstant {
  readonly timeMs: number;
  /** True where the zone's clocks never showed the wall time and it had to be shifted. */
  readonly inGap: boolean;
}

/** The rules of one time zone. */
export interface TimeZone {
  /** What the zone's clocks are ahead of UTC at an instant, in milliseconds (negative: behind). */
  offsetMsAt(timeMs: number): number;
  /**
   * The instant of a wall time, as Temporal's disambiguation "compatible": one that an overlap repeats is its first
   * pass, one that a gap skips is read with the offset before the gap and so lies as far behind the gap's begin.
   */
  resolve(wallMs: number): WallInstant;
  /** The wall times at which a gap of at least a day begins, ascending: where two days' occurrences may be one. */
  dayGapWallsMs(): readonly number[];
}

const OFFSET = /^([+-])([01]\d|2[0-3]):([0-5]\d)$/;
const NAME = /^[a-z][a-z0-9_+/-]{0,63}$/i;

/** The areas of the IANA database. Intl knows others (`SystemV/…`), and abbreviations such as `BST` for Dhaka's time. */
const AREAS = new Map(
  [
    ...["Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Brazil", "Canada", "Chile"],
    ...["Etc", "Europe", "Indian", "Mexico", "Pacific", "US"],
  ].map((area) => [area.toLowerCase(), area]),
);

/** The names of the IANA database that have no area. */
const BARE_NAMES = new Map(
  [
    ...["CET", "CST6CDT", "Cuba", "EET", "EST", "EST5EDT", "Egypt", "Eire", "GB", "GB-Eire", "GMT", "GMT+0", "GMT-0"],
    ...["GMT0", "Greenwich", "HST", "Hongkong", "Iceland", "Iran", "Israel", "Jamaica", "Japan", "Kwajalein", "Libya"],
    ...["MET", "MST", "MST7MDT", "NZ", "NZ-CHAT", "Navajo", "PRC", "PST8PDT", "Poland", "Portugal", "ROC", "ROK"],
    ...["Singapore", "Turkey", "UCT", "UTC", "Universal", "W-SU", "WET", "Zulu"],
  ].map((name) => [name.toLowerCase(), name]),
);

/** The words of names with an area that are not simply a capital and lower-case letters. */
const WORDS = new Map(
  [
    ...["ACT", "NSW", "LHI", "IN", "GMT", "UTC", "UCT", "of", "es", "au", "McMurdo", "DumontDUrville", "DeNoronha"],
    ...["ComodRivadavia", "EasterIsland", "BajaNorte", "BajaSur"],
  ].map((word) => [word.toLowerCase(), word]),
);

/** Far more than there are zones; a bound all the same, as ids that nobody normalised may come in. */
const MAX_CACHED_ZONES = 2048;
const MAX_CACHED_NAMES = 4096;
const MAX_CACHED_OFFSETS = 512;

const UTC: TimeZone = fixedZone(0);
const zones = new Map<string, TimeZone>([["UTC", UTC]]);
/** What names are in the canonical spelling. To ask Intl for one takes 50 µs. */
const canonicalNames = new Map<string, string>([["UTC", "UTC"]]);

/**
 * Canonical id of a time zone: `UTC`, an IANA name with its capitals (`europe/berlin` gives `Europe/Berlin`; a link as
 * `Asia/Calcutta` stays what it is), or an offset as `+05:30` (`-00:00` gives `+00:00`). Undefined for anything else:
 * `Z`, `+0530`, abbreviations the IANA database does not have.
 */
export function parseTimeZone(text: string): string | undefined {
  if (OFFSET.test(text)) return text === "-00:00" ? "+00:00" : text;
  const known = canonicalNames.get(text);
  if (known !== undefined) return known;
  if (!NAME.test(text)) return undefined;
  const name = BARE_NAMES.get(text.toLowerCase()) ?? withCapitals(text);
  if (name === undefined || offsetFormat(name) === undefined) return undefined;
  if (canonicalNames.size >= MAX_CACHED_NAMES) canonicalNames.clear();
  canonicalNames.set(text, name);
  return name;
}

/** The rules of a zone by its canonical id; undefined when the id is no time zone. The rules are cached. */
export function findTimeZone(id: string): TimeZone | undefined {
  const known = zones.get(id);
  if (known !== undefined) return known;
  const zone = createZone(id);
  if (zone === undefined) return undefined;
  if (zones.size >= MAX_CACHED_ZONES) zones.clear();
  zones.set(id, zone);
  return zone;
}

/** As {@link findTimeZone}, and throws a RangeError when the id is no time zone. */
export function timeZoneOf(id: string): TimeZone {
  const zone = findTimeZone(id);
  if (zone === undefined) throw new RangeError(`unknown time zone: ${id}`);
  return zone;
}

function createZone(id: string): TimeZone | undefined {
  const canonical = parseTimeZone(id);
  if (canonical === undefined) return undefined;
  const offset = OFFSET.exec(canonical);
  if (offset !== null) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3]);
    return fixedZone((offset[1] === "-" ? -minutes : minutes) * 60_000);
  }
  const format = offsetFormat(canonical);
  if (format === undefined) return undefined;
  // `Etc/UTC`, `GMT` and their like.
  return format.resolvedOptions().timeZone === "UTC" ? UTC : namedZone(format);
}

function withCapitals(text: string): string | undefined {
  const [area, ...places] = text.toLowerCase().split("/");
  const knownArea = AREAS.get(area ?? "");
  if (knownArea === undefined || places.length === 0) return undefined;
  return [knownArea, ...places.map((place) => place.replace(/[a-z]+/g, wordWithCapitals))].join("/");
}

function wordWithCapitals(word: string): string {
  return WORDS.get(word) ?? word.charAt(0).toUpperCase() + word.slice(1);
}

/** Undefined when this Node.js knows no such zone. */
function offsetFormat(name: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function fixedZone(offsetMs: number): TimeZone {
  return {
    offsetMsAt: () => offsetMs,
    resolve: (wallMs) => ({ timeMs: wallMs - offsetMs, inGap: false }),
    dayGapWallsMs: () => [],
  };
}

/**
 * A zone with a history, asked of Intl instant by instant (about 1.5 µs each). Intl rather than Temporal's polyfill,
 * which asks the same Intl: it samples it days apart and so may miss a short period, keeps every sample for ever, and
 * is ten times slower.
 */
function namedZone(format: Intl.DateTimeFormat): TimeZone {
  const offsets = new Map<number, number>();
  let dayGaps: readonly number[] | undefined;

  function offsetMsAt(timeMs: number): number {
    // Clocks have only ever been changed at whole seconds. Before the year 1 there is nothing but local mean time.
    const second = Math.floor(Math.min(Math.max(timeMs, MIN_TIME_MS), MAX_TIME_MS) / 1000);
    const known = offsets.get(second);
    if (known !== undefined) return known;
    const offsetMs = parseLongOffset(format.format(second * 1000));
    if (offsets.size >= MAX_CACHED_OFFSETS) offsets.clear();
    offsets.set(second, offsetMs);
    return offsetMs;
  }

  function resolve(wallMs: number): WallInstant {
    // No clock is a day away from UTC, so these two offsets lie on either side of the wall time; and no zone has ever
    // changed twice within two days (four is the least in the database's release 2025c), so there is no third.
    const before = offsetMsAt(wallMs - DAY_MS);
    // Asked first: of the two passes of an overlap it is the first.
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

/** Reads the offset at the end of `12/31/1844, GMT-04:56:02`; UTS 35 writes no offset at all for UTC's own. */
function parseLongOffset(text: string): number {
  const sign = text.charAt(text.indexOf("GMT") + 3);
  if (sign === "") return 0;
  const [hours, minutes, seconds = "0"] = text.slice(text.indexOf("GMT") + 4).split(":");
  const offsetMs = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
  return sign === "+" ? offsetMs : -offsetMs;
}

/** Local mean times came up in the 19th century, and no rule of the database that goes on for ever skips a day. */
const DAY_GAPS_FROM_MS = Date.UTC(1800, 0, 1);
const DAY_GAPS_UNTIL_MS = Date.UTC(2200, 0, 1);

/** A place that moves across the date line to the west skips a day, and nothing else makes a clock jump so far. */
function findDayGaps(offsetMsAt: (timeMs: number) => number): number[] {
  const walls: number[] = [];
  const stepMs = 180 * DAY_MS;
  for (let startMs = DAY_GAPS_FROM_MS; startMs < DAY_GAPS_UNTIL_MS; startMs += stepMs) {
    let beforeMs = startMs;
    let afterMs = startMs + stepMs;
    if (offsetMsAt(afterMs) - offsetMsAt(beforeMs) < DAY_MS / 2) continue;
    while (afterMs - beforeMs > 1000) {
      const middleMs = beforeMs + Math.floor((afterMs - beforeMs) / 2000) * 1000;
      if (offsetMsAt(middleMs) - offsetMsAt(beforeMs) < DAY_MS / 2) beforeMs = middleMs;
      else afterMs = middleMs;
    }
    if (offsetMsAt(afterMs) - offsetMsAt(beforeMs) >= DAY_MS) walls.push(afterMs + offsetMsAt(beforeMs));
  }
  return walls;
}
