import { createOffsetFormat } from "./offset-format.js";

/**
 * The names of time zones: IANA names, and offsets such as `+05:30`. Intl decides which names exist, but it accepts
 * names that the IANA database lacks and keeps whatever capitals it is given, so both are settled here.
 */

const OFFSET = /^([+-])([01]\d|2[0-3]):([0-5]\d)$/;
const NAME = /^[a-z][a-z0-9_+/-]{0,63}$/i;

/** The areas of the IANA database. Intl knows further ones (`SystemV/…`). */
const AREAS =
  toSpellings(`Africa America Antarctica Arctic Asia Atlantic Australia Brazil Canada Chile Etc Europe Indian
  Mexico Pacific US`);

/** The names of the IANA database without an area. Intl knows further ones, such as `BST` for the time of Dhaka. */
const BARE_NAMES =
  toSpellings(`CET CST6CDT Cuba EET EST EST5EDT Egypt Eire GB GB-Eire GMT GMT+0 GMT-0 GMT0 Greenwich HST
  Hongkong Iceland Iran Israel Jamaica Japan Kwajalein Libya MET MST MST7MDT NZ NZ-CHAT Navajo PRC PST8PDT Poland
  Portugal ROC ROK Singapore Turkey UCT UTC Universal W-SU WET Zulu`);

/** The words of a place's name that are not a capital followed by lower-case letters. */
const WORDS = toSpellings(`ACT NSW LHI IN GMT UTC UCT of es au McMurdo DumontDUrville DeNoronha ComodRivadavia
  EasterIsland BajaNorte BajaSur`);

/** Maximum spellings kept. Each takes Intl 50 µs to check; there are about 600 names. */
const MAX_CACHED_NAMES = 4096;

/** Canonical names by the spelling that was asked for. */
const canonicalNames = new Map<string, string>([["UTC", "UTC"]]);

/**
 * The canonical id of a time zone; undefined when the text is no time zone.
 *
 * - An IANA name in any case gives the name with its capitals: `europe/berlin` gives `Europe/Berlin`. A link keeps its
 *   own name (`Asia/Calcutta`), because its user may not know the other.
 * - An offset of hours and minutes stays as it is, except that `-00:00` gives `+00:00`.
 * - Anything else is refused, such as `Z`, `+0530` and abbreviations that the IANA database lacks.
 */
export function parseTimeZone(text: string): string | undefined {
  if (OFFSET.test(text)) return text === "-00:00" ? "+00:00" : text;
  const known = canonicalNames.get(text);
  if (known !== undefined) return known;
  if (!NAME.test(text)) return undefined;
  const name = BARE_NAMES.get(text.toLowerCase()) ?? withCapitals(text);
  if (name === undefined || createOffsetFormat(name) === undefined) return undefined;
  if (canonicalNames.size >= MAX_CACHED_NAMES) canonicalNames.clear();
  canonicalNames.set(text, name);
  return name;
}

/** The milliseconds of an offset such as `+05:30`; undefined when the text is no offset. */
export function parseOffset(text: string): number | undefined {
  const offset = OFFSET.exec(text);
  if (offset === null) return undefined;
  const minutes = Number(offset[2]) * 60 + Number(offset[3]);
  return (offset[1] === "-" ? -minutes : minutes) * 60_000;
}

function withCapitals(text: string): string | undefined {
  const [area, ...places] = text.toLowerCase().split("/");
  const knownArea = AREAS.get(area ?? "");
  if (knownArea === undefined || places.length === 0) return undefined;
  return [knownArea, ...places.map((place) => place.replace(/[a-z]+/g, withCapital))].join("/");
}

function withCapital(word: string): string {
  return WORDS.get(word) ?? word.charAt(0).toUpperCase() + word.slice(1);
}

/** Words by their lower-case form. */
function toSpellings(words: string): ReadonlyMap<string, string> {
  return new Map(words.split(/\s+/).map((word) => [word.toLowerCase(), word]));
}
