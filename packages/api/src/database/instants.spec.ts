import fc from "fast-check";
import { fromDatetime, toDatetime } from "./instants.js";

const MIN_MS = Date.parse("0001-01-01T00:00:00Z");
const MAX_MS = Date.parse("9999-12-31T23:59:59.999Z");

it.each([
  ["0001-01-01 00:00:00.000", "0001-01-01T00:00:00.000Z"],
  ["0099-12-31 23:59:59.999", "0099-12-31T23:59:59.999Z"],
  ["0100-01-01 00:00:00.001", "0100-01-01T00:00:00.001Z"],
  ["1969-12-31 23:59:59.999", "1969-12-31T23:59:59.999Z"],
  ["2024-02-29 12:00:00.500", "2024-02-29T12:00:00.500Z"],
  ["9999-12-31 23:59:59.999", "9999-12-31T23:59:59.999Z"],
])("%s is %s", (text, iso) => {
  expect(fromDatetime(text)).toBe(Date.parse(iso));
  expect(toDatetime(Date.parse(iso))).toBe(text);
});

it("reads fractions of any length, or none", () => {
  expect(fromDatetime("2026-11-25 18:00:01")).toBe(Date.parse("2026-11-25T18:00:01Z"));
  expect(fromDatetime("2026-11-25 18:00:01.5")).toBe(Date.parse("2026-11-25T18:00:01.500Z"));
  expect(fromDatetime("2026-11-25 18:00:01.123456")).toBe(Date.parse("2026-11-25T18:00:01.123Z"));
});

it("gives back every instant of the years 1 to 9999", () => {
  fc.assert(
    fc.property(fc.integer({ min: MIN_MS, max: MAX_MS }), (timeMs) => fromDatetime(toDatetime(timeMs)) === timeMs),
    { numRuns: 2_000 },
  );
});
