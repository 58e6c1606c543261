/**
 * The proleptic Gregorian calendar on plain integers. A wall time is what a clock on a wall shows, as the milliseconds
 * that would be its epoch milliseconds if the clock stood in UTC. `Date` is left out: it reads years below 100 as 1900
 * and later, and it is slower.
 */
export const DAY_MS = 86_400_000;

export interface WallDate {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
}

const DAYS_IN_ERA = 146_097;
/** From 0000-03-01, where the eras of the algorithm begin, to 1970-01-01. */
const ERA_TO_EPOCH_DAYS = 719_468;
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** Days from 1970-01-01 to a date. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil. */
export function toEpochDay(date: WallDate): number {
  const year = date.month <= 2 ? date.year - 1 : date.year;
  const era = Math.floor(year / 400);
  const yearOfEra = year - era * 400;
  const dayOfYear = Math.floor((153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5) + date.day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * DAYS_IN_ERA + dayOfEra - ERA_TO_EPOCH_DAYS;
}

/** The date that many days after 1970-01-01. Source: as above, civil_from_days. */
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

/** The milliseconds since the wall clock showed midnight, 0 to 86,399,999. */
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

/** The same day and time of day that many months later; the month's last day where it has no such day. */
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

/** `HH:MM:SS` of a wall time, with `.SSS` only where there is a fraction. */
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
