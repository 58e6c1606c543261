/**
 * The proleptic Gregorian calendar on plain integers.
 *
 * A wall time is the date and time of day that a clock shows, without a zone. It is kept as the epoch milliseconds that
 * it would have in UTC. This module does without `Date`, which is slower and reads the years 0 to 99 as 1900 to 1999.
 */
export const DAY_MS = 86_400_000;

/** A date of the calendar. */
export interface WallDate {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
}

const DAYS_IN_ERA = 146_097;
/** Days from 0000-03-01 to 1970-01-01. The eras of the algorithm, of 400 years each, begin on March 1. */
const ERA_TO_EPOCH_DAYS = 719_468;
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/**
 * Days from 1970-01-01 to a date. Source: `days_from_civil` in Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms".
 */
export function toEpochDay(date: WallDate): number {
  const year = date.month <= 2 ? date.year - 1 : date.year;
  const era = Math.floor(year / 400);
  const yearOfEra = year - era * 400;
  const dayOfYear = Math.floor((153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5) + date.day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * DAYS_IN_ERA + dayOfEra - ERA_TO_EPOCH_DAYS;
}

/** The date a number of days after 1970-01-01. Source: `civil_from_days` in the paper that {@link toEpochDay} names. */
export function fromEpochDay(epochDay: number): WallDate {
  const shifted = epochDay + ERA_TO_EPOCH_DAYS;
  const era = Math.floor(shifted / DAYS_IN_ERA);
  const dayOfEra = shifted - era * DAYS_IN_ERA;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  };
}

/** The date of a wall time. */
export function wallDate(wallMs: number): WallDate {
  return fromEpochDay(Math.floor(wallMs / DAY_MS));
}

/** The time of day of a wall time, in milliseconds since midnight: 0 to 86,399,999. */
export function wallTimeOfDayMs(wallMs: number): number {
  return wallMs - Math.floor(wallMs / DAY_MS) * DAY_MS;
}

/** The length of a month (1 to 12) in days. */
export function daysInMonth(year: number, month: number): number {
  if (month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)) return 29;
  return MONTH_DAYS[month - 1] ?? 0;
}

/** Months since January of the year 0. */
export function monthNumber(date: WallDate): number {
  return date.year * 12 + date.month - 1;
}

/**
 * The wall time a number of months later, on the same day at the same time of day. A month that lacks the day has its
 * last day instead.
 */
export function addMonths(wallMs: number, months: number): number {
  const date = wallDate(wallMs);
  const number = monthNumber(date) + months;
  const year = Math.floor(number / 12);
  const month = number - year * 12 + 1;
  const day = Math.min(date.day, daysInMonth(year, month));
  return toEpochDay({ year, month, day }) * DAY_MS + wallTimeOfDayMs(wallMs);
}

/** `YYYY-MM-DD` of a wall time in the years 0000 to 9999. */
export function formatWallDate(wallMs: number): string {
  const { year, month, day } = wallDate(wallMs);
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
}

/** `HH:MM:SS` of a wall time, followed by `.SSS` when there is a fraction of a second. */
export function formatWallTime(wallMs: number): string {
  const timeMs = wallTimeOfDayMs(wallMs);
  const seconds = Math.floor(timeMs / 1000);
  const text = `${pad(Math.floor(seconds / 3600), 2)}:${pad(Math.floor(seconds / 60) % 60, 2)}:${pad(seconds % 60, 2)}`;
  const fraction = timeMs % 1000;
  return fraction === 0 ? text : `${text}.${pad(fraction, 3)}`;
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, "0");
}
