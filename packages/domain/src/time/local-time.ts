import { formatWallDate, formatWallTime, wallDate } from "./calendar.js";
import { timeZoneOf } from "./time-zone.js";

const MINUTE_MS = 60_000;

/**
 * An instant as RFC 3339 text with the zone's offset, `2026-03-08T03:30:00-04:00`. A fraction appears only when there
 * is one.
 *
 * RFC 3339 has offsets of whole minutes and years of four digits only. A local mean time such as `+00:17:30` is
 * therefore written with the nearest whole minute (RFC 3339, section 5.8, asks for "a representable time zone"), and an
 * instant whose local year has no four digits is written in UTC. The text names the same instant in each case.
 *
 * @param timeMs an instant in the years 0001 to 9999 (UTC)
 * @throws RangeError when `timeZone` is no time zone
 */
export function formatLocalTime(timeMs: number, timeZone: string): string {
  const rounded = Math.round(timeZoneOf(timeZone).offsetMsAt(timeMs) / MINUTE_MS);
  const { year } = wallDate(timeMs + rounded * MINUTE_MS);
  const minutes = year < 0 || year > 9999 ? 0 : rounded;
  const wallMs = timeMs + minutes * MINUTE_MS;
  return `${formatWallDate(wallMs)}T${formatWallTime(wallMs)}${formatOffset(minutes)}`;
}

function formatOffset(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
