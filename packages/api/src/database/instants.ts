import type { TypeCastFunction } from "mariadb";

const SECONDS_END = "0000-00-00 00:00:00".length;
const ZERO = 48;
/** `Date.UTC` takes the years before for those of the 20th century. */
const FIRST_PLAIN_YEAR = 100;
/** The months that have no more days are looked up. */
const DAYS_OF_EVERY_MONTH = 28;

/** Seconds that were asked for, and their texts: a group of writes has few of them, by turns. */
const SECONDS = Array.from({ length: 64 }, () => ({ second: Number.NaN, text: "" }));
const MS_TEXTS = Array.from({ length: 1_000 }, (_, ms) => `.${String(ms).padStart(3, "0")}`);

/** Epoch milliseconds to the text of a DATETIME(3) in UTC. Years 1 to 9999. */
export function toDatetime(timeMs: number): string {
  const second = Math.floor(timeMs / 1_000);
  const known = SECONDS[Math.abs(second % SECONDS.length)] as (typeof SECONDS)[number];
  if (second !== known.second) {
    const iso = new Date(second * 1_000).toISOString();
    known.text = `${iso.slice(0, 10)} ${iso.slice(11, SECONDS_END)}`;
    known.second = second;
  }
  return known.text + MS_TEXTS[Math.floor(timeMs - second * 1_000)];
}

export function toNullableDatetime(timeMs: number | null): string | null {
  return timeMs === null ? null : toDatetime(timeMs);
}

/**
 * The text of a DATETIME in UTC, `2026-11-25 18:00:00` with a fraction of any length, to epoch milliseconds. NaN for a
 * text that is no date: MariaDB stores `0000-00-00`, `2026-00-25` and `2026-02-31` where its `sql_mode` allows them. By
 * the characters: each row that is read has half a dozen, and a parser takes ten times as long.
 */
export function fromDatetime(text: string): number {
  const year = digit(text, 0) * 1000 + digit(text, 1) * 100 + twoDigits(text, 2);
  if (year < FIRST_PLAIN_YEAR) {
    return Date.parse(`${text.slice(0, 10)}T${text.slice(11, SECONDS_END)}${text.slice(SECONDS_END)}Z`);
  }
  const ms = text.length > SECONDS_END ? Number(text.slice(SECONDS_END + 1, SECONDS_END + 4).padEnd(3, "0")) : 0;
  const [month, day] = [twoDigits(text, 5), twoDigits(text, 8)];
  if (month < 1 || month > 12 || day < 1) return Number.NaN;
  const timeMs = Date.UTC(year, month - 1, day, twoDigits(text, 11), twoDigits(text, 14), twoDigits(text, 17), ms);
  return day > DAYS_OF_EVERY_MONTH && new Date(timeMs).getUTCDate() !== day ? Number.NaN : timeMs;
}

function twoDigits(text: string, at: number): number {
  return digit(text, at) * 10 + digit(text, at + 1);
}

function digit(text: string, at: number): number {
  return text.charCodeAt(at) - ZERO;
}

/**
 * Every DATETIME that is read becomes epoch milliseconds: neither the driver's reading by the process's zone nor
 * Sequelize's by a date parser (it takes the year 0001 for 2001) has a say.
 */
export const instantTypeCast: TypeCastFunction = (column, next) => {
  if (column.type !== "DATETIME" && column.type !== "TIMESTAMP") return next();
  const text = column.string();
  return text === null ? null : fromDatetime(text);
};
