import { fault, type Parsed } from "./rest-fault.js";

/** An instant: whole seconds since 1970, and nanoseconds beyond. */
export interface Instant {
  readonly seconds: number;
  readonly nanos: number;
}

/** 0001-01-01 and 9999-12-31T23:59:59: what a proto's Timestamp can hold. */
const minSeconds = -62_135_596_800;
const maxSeconds = 253_402_300_799;
/** pydantic takes a larger number for milliseconds. */
const maxNumberInSeconds = 2e10;

const form =
  /^(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)(?:[Tt _](?<hour>\d\d):(?<minute>\d\d)(?::(?<second>\d\d)(?:[.,](?<fraction>\d+))?)?(?<zone>[Zz]|[+-]\d\d:?\d\d)?)?$/;
const numberForm = /^[+-]?\d+(\.\d+)?$/;

/**
 * A time as pydantic reads one: ISO 8601 with or without an offset (without: UTC), a date alone, or a Unix time as a number
 * or in a string. Digits finer than a nanosecond are left out.
 */
export function parseDatetime(value: unknown): Parsed<Instant> {
  if (typeof value === "number") return ofUnixTime(value);
  if (typeof value !== "string") return fault("datetime_type", "Input should be a valid datetime");
  if (numberForm.test(value)) return ofUnixTime(Number(value));
  const groups = form.exec(value)?.groups;
  const instant = groups === undefined ? undefined : ofParts(groups);
  return instant === undefined ? notADatetime() : inRange(instant);
}

/** As Python prints it: `2024-04-20T10:00:00`, with microseconds only where there is a fraction. */
export function formatDatetime({ seconds, nanos }: Instant): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, "2024-04-20T10:00:00".length);
  const micros = Math.floor(nanos / 1000);
  return micros === 0 ? whole : `${whole}.${String(micros).padStart(6, "0")}`;
}

function ofUnixTime(number: number): Parsed<Instant> {
  const seconds = Math.abs(number) > maxNumberInSeconds ? number / 1000 : number;
  const wholeSeconds = Math.floor(seconds);
  const micros = Math.round((seconds - wholeSeconds) * 1e6);
  return inRange({ seconds: wholeSeconds + Math.floor(micros / 1e6), nanos: (micros % 1e6) * 1000 });
}

/** Undefined for a day or a time of day that there is not. */
function ofParts(parts: Readonly<Record<string, string | undefined>>): Instant | undefined {
  const part = (name: string): number => Number(parts[name] ?? 0);
  const [year, month, day] = [part("year"), part("month"), part("day")];
  const [hour, minute, second] = [part("hour"), part("minute"), part("second")];
  const midnight = new Date(0);
  midnight.setUTCFullYear(year, month - 1, day);
  const isDay = midnight.getUTCMonth() === month - 1 && midnight.getUTCDate() === day;
  const offsetMinutes = offsetOf(parts["zone"] ?? "Z");
  if (!isDay || hour > 23 || minute > 59 || second > 59 || offsetMinutes === undefined) return undefined;
  return {
    seconds: midnight.getTime() / 1000 + hour * 3600 + (minute - offsetMinutes) * 60 + second,
    nanos: Number((parts["fraction"] ?? "").slice(0, 9).padEnd(9, "0")),
  };
}

function offsetOf(zone: string): number | undefined {
  if (/^z$/i.test(zone)) return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes);
}

function inRange(instant: Instant): Parsed<Instant> {
  return instant.seconds >= minSeconds && instant.seconds <= maxSeconds ? { value: instant } : notADatetime();
}

function notADatetime(): Parsed<Instant> {
  return fault("datetime_from_date_parsing", "Input should be a valid datetime or date");
}
