import { HOUR_SLOTS } from "./execution-stats.js";

/** Numbers of slots; the first one, and the first that is no longer among them. */
export interface SlotRange {
  readonly from: number;
  readonly to: number;
}

/** Where the counts of an interval are read. */
export interface StatReads {
  readonly fromSlot: number;
  readonly bucketSlots: number;
  /** Hours, where they lie within one bucket. */
  readonly hours: SlotRange | undefined;
  /** Slots of five minutes: those of no such hour. */
  readonly slots: SlotRange | readonly number[] | undefined;
}

/** A longer list takes the database longer than to read what lies between. */
const MAX_LISTED = 2_000;

/**
 * What to read of an interval, each part of it once: by hours as far as they do not lie across the end of a bucket, else
 * by slots. An hour has about as many counts as a slot.
 */
export function statReads({ from, to }: SlotRange, bucketSlots: number): StatReads {
  const whole = { fromSlot: from, bucketSlots };
  const hours = { from: hourOf(from + HOUR_SLOTS - 1), to: hourOf(to) };
  if (bucketSlots < HOUR_SLOTS || hours.to <= hours.from) return { ...whole, hours: undefined, slots: { from, to } };
  const listed = [...range(from, hours.from), ...dividedHours(from, hours, bucketSlots), ...range(hours.to, to)];
  if (listed.length > MAX_LISTED || 2 * listed.length > to - from) {
    return { ...whole, hours: undefined, slots: { from, to } };
  }
  return { ...whole, hours, slots: listed.length === 0 ? undefined : listed };
}

/** The slots of the hours that a bucket ends within. */
function dividedHours(from: number, hours: SlotRange, bucketSlots: number): number[] {
  const slots: number[] = [];
  for (let end = from + bucketSlots; end < hours.to && slots.length <= MAX_LISTED; end += bucketSlots) {
    const hour = hourOf(end);
    if (hour !== end && hour >= hours.from) slots.push(...range(hour, hour + HOUR_SLOTS));
  }
  return slots;
}

function hourOf(slot: number): number {
  return Math.floor(slot / HOUR_SLOTS) * HOUR_SLOTS;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}
