import type { TypeCastFunction } from "mariadb";

const SECONDS_END = "0000-00-00 00:00:00".length;

/** The last instant that was asked for, and its text: a group of writes has one and the same in most of its rows. */
let last = { timeMs: Number.NaN, text: "" };

/** Epoch milliseconds to the text of a DATETIME(3) in UTC. Years 1 to 9999. */
export function toDatetime(timeMs: number): string {
  if (timeMs === last.timeMs) return last.text;
  const iso = new Date(timeMs).toISOString();
  const text = `${iso.slice(0, 10)} ${iso.slice(11, 23)}`;
  last = { timeMs, text };
  return text;
}

export function toNullableDatetime(timeMs: number | null): string | null {
  return timeMs === null ? null : toDatetime(timeMs);
}

/** The text of a DATETIME in UTC to epoch milliseconds. */
export function fromDatetime(text: string): number {
  return Date.parse(`${text.slice(0, 10)}T${text.slice(11, SECONDS_END)}${text.slice(SECONDS_END)}Z`);
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
