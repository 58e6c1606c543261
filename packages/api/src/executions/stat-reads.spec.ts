import fc from "fast-check";
import { HOUR_SLOTS } from "./execution-stats.js";
import { type StatReads, statReads } from "./stat-reads.js";

const intervals = fc.record({
  from: fc.integer({ min: -1_000, max: 1_000 }),
  length: fc.integer({ min: 1, max: 6_000 }),
  bucketSlots: fc.oneof(fc.integer({ min: 1, max: 600 }), fc.constantFrom(12, 24, 288, 2_016, 50_000)),
});

/** The slots that are read, those of hours once for each of theirs, with the bucket that they are counted in. */
function slotsRead({ fromSlot, bucketSlots, hours, slots }: StatReads): [slot: number, bucket: number][] {
  const bucketOf = (slot: number) => Math.floor((slot - fromSlot) / bucketSlots);
  const read: [number, number][] = [];
  for (let hour = hours?.from ?? 0; hour < (hours?.to ?? 0); hour += HOUR_SLOTS) {
    if (bucketOf(hour) !== bucketOf(hour + HOUR_SLOTS - 1)) continue;
    for (let slot = hour; slot < hour + HOUR_SLOTS; slot += 1) read.push([slot, bucketOf(hour)]);
  }
  const single = slots === undefined ? [] : "from" in slots ? between(slots.from, slots.to) : slots;
  return [...read, ...single.map((slot): [number, number] => [slot, bucketOf(slot)])].sort(([a], [b]) => a - b);
}

const between = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

it("each slot of an interval is read once, in its bucket", () => {
  fc.assert(
    fc.property(intervals, ({ from, length, bucketSlots }) => {
      const expected = between(from, from + length).map((slot) => [slot, Math.floor((slot - from) / bucketSlots)]);
      expect(slotsRead(statReads({ from, to: from + length }, bucketSlots))).toEqual(expected);
    }),
  );
});

it.each([
  ["of a day that begins with an hour, hours alone", 24, 24 + 288, 12, 24, 312, undefined],
  [
    "of thirty days in one, hours but for the ends",
    5,
    8_645,
    8_640,
    12,
    8_640,
    [5, 6, 7, 8, 9, 10, 11, 8640, 8641, 8642, 8643, 8644],
  ],
  ["of an hour by five minutes, slots", 0, 12, 1, undefined, undefined, { from: 0, to: 12 }],
  ["of hours from half past on, slots", 6, 150, 12, undefined, undefined, { from: 6, to: 150 }],
  ["of less than an hour, slots", 1, 11, 10, undefined, undefined, { from: 1, to: 11 }],
])("%s are read", (_, from, to, bucketSlots, hoursFrom, hoursTo, slots) => {
  const hours = hoursFrom === undefined ? undefined : { from: hoursFrom, to: hoursTo };
  expect(statReads({ from, to }, bucketSlots)).toEqual({ fromSlot: from, bucketSlots, hours, slots });
});

it("of ninety days by days from half past on, little but hours is read", () => {
  const { slots } = statReads({ from: 6, to: 6 + 90 * 288 }, 288);
  expect(slots).toHaveLength(6 + 89 * 12 + 6);
});
