import { MAX_TIME_MS, MIN_TIME_MS } from "@taskscheduler/domain";
import { fromDatetime } from "./instants.js";

/**
 * Makes a property of a row out of a value of its column. Somebody may have written the value past the API, or changed
 * the column: a value that cannot be read must not take away the rows beside it.
 */
export interface ColumnReader<T> {
  /** Undefined: the value is damaged. */
  read(value: unknown): T | undefined;
  /** The replacement of a damaged value. */
  instead(value: unknown): T;
}

const MAX_UINT32 = 0xffff_ffff;
/** The largest counts that an INT UNSIGNED and a SMALLINT UNSIGNED may hold here. */
const MAX_COUNT = 4_000_000_000;
const MAX_SMALL = 60_000;

function reader<T>(read: (value: unknown) => T | undefined, instead: T): ColumnReader<T> {
  return { read, instead: () => instead };
}

export function isUint32(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_UINT32;
}

/** Epoch milliseconds, of which a message's Timestamp can be made. */
export function isInstant(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= MIN_TIME_MS && value <= MAX_TIME_MS;
}

function readUint32(value: unknown): number | undefined {
  return isUint32(value) ? value : undefined;
}

/** Refuses a zero date, a day that its month lacks, and a year before 1. */
function readInstant(value: unknown): number | undefined {
  if (typeof value !== "string") return undefined;
  const timeMs = fromDatetime(value);
  return isInstant(timeMs) ? timeMs : undefined;
}

function orNull<T>({ read }: ColumnReader<T>): ColumnReader<T | null> {
  return reader<T | null>((value) => (value === null ? null : read(value)), null);
}

/** A number that may be larger than the API's messages hold. */
export const countColumn = reader((value) => (Number.isSafeInteger(value) ? Number(value) : undefined), 0);
/** A number that the API raises. A number near the column's end was never counted up to, and could not be raised. */
export const counterColumn = reader((value) => (isUint32(value) && value <= MAX_COUNT ? value : undefined), 0);
export const smallCounterColumn = reader((value) => (isUint32(value) && value <= MAX_SMALL ? value : undefined), 0);

/** An id of the API: a proto's uint32, and not 0. */
export const idColumn = reader((value) => (value === 0 ? undefined : readUint32(value)), 0);
export const uint32Column = reader(readUint32, 0);
export const nullableUint32Column = orNull(uint32Column);
/** Epoch milliseconds. */
export const instantColumn = reader(readInstant, 0);
export const nullableInstantColumn = orNull(instantColumn);

/** A column that was made binary still holds the bytes of a text. */
export const textColumn: ColumnReader<string> = {
  read: (value) => (typeof value === "string" ? value : undefined),
  instead: (value) => (Buffer.isBuffer(value) ? value.toString() : ""),
};

/** @param instead of an empty or unknown member */
export function enumColumn<T extends string>(members: readonly T[], instead: NoInfer<T>): ColumnReader<T> {
  const known: ReadonlyMap<unknown, T> = new Map(members.map((member) => [member, member]));
  return reader((value) => known.get(value), instead);
}

export function nullableEnumColumn<T extends string>(members: readonly T[]): ColumnReader<T | null> {
  const [first] = members;
  if (first === undefined) throw new Error("an ENUM without members");
  return orNull(enumColumn<T>(members, first));
}

/** A text that means more to us than to the database. @param parse answers undefined for a text that it cannot read */
export function parsedColumn<T>(parse: (text: string) => T | undefined, instead: T): ColumnReader<T> {
  return reader((value) => (typeof value === "string" ? parse(value) : undefined), instead);
}
