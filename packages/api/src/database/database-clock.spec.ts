import type { Database } from "./database.js";
import { createDatabaseClock } from "./database-clock.js";

/** The database is never asked: the samples are given. */
const noDatabase = {} as Database;
const HOUR_MS = 3_600_000;

function clockOf(aheadMs: () => number, roundTripMs = 1) {
  return createDatabaseClock(noDatabase, async () => ({
    offsetMs: Date.now() + aheadMs() - performance.now(),
    roundTripMs,
  }));
}

afterEach(() => jest.restoreAllMocks());

test("is the machine's own clock where the reading cannot tell them apart", async () => {
  const clock = clockOf(() => 0.4);
  await clock.measure();
  expect(clock.offsetMs()).toBe(0);
});

test("follows a database that is ahead", async () => {
  const clock = clockOf(() => 5_000);
  await clock.measure();
  expect(clock.nowMs() - Date.now()).toBeGreaterThan(4_990);
  expect(clock.nowMs() - Date.now()).toBeLessThan(5_010);
});

test.each([HOUR_MS, -HOUR_MS])("stays where it is when the machine's clock is set by %d ms", async (stepMs) => {
  const clock = clockOf(() => 0);
  await clock.measure();
  const before = clock.nowMs();
  const now = Date.now;
  jest.spyOn(Date, "now").mockImplementation(() => now() + stepMs);
  expect(Math.abs(clock.nowMs() - before)).toBeLessThan(1_000);
});

test("forgets what a set clock contradicts, however short its round trip was", async () => {
  let aheadMs = 0;
  const samples = [0.1, 5];
  const clock = createDatabaseClock(noDatabase, async () => ({
    offsetMs: Date.now() + aheadMs - performance.now(),
    roundTripMs: samples.shift() ?? 1,
  }));
  await clock.measure();
  aheadMs = HOUR_MS;
  await clock.measure();
  expect(clock.nowMs() - Date.now()).toBeGreaterThan(HOUR_MS - 1_000);
});

test.each([5_000, -5_000])(
  "is never ahead of a database at %d ms, however wrong the middle of a reading is",
  async (ms) => {
    const errorMs = 20;
    const clock = clockOf(() => ms + errorMs, 2 * errorMs);
    await clock.measure();
    expect(clock.nowMs()).toBeLessThanOrEqual(Date.now() + ms);
  },
);
