import type { Registration } from "./fleet-store.js";
import { createSightings } from "./sightings.js";

const LEASE_MS = 1_000;

const registration = (changes: Partial<Registration> = {}): Registration => ({
  incarnation: 1,
  schedulerId: "one",
  state: "LIVE",
  beat: 0,
  leaseMs: LEASE_MS,
  ...changes,
});

it("gives a scheduler its lease from the first sight, and from each new beat", () => {
  const sightings = createSightings(LEASE_MS);
  expect(sightings.isAlive(registration(), 0)).toBe(true);
  expect(sightings.isAlive(registration(), 1_000)).toBe(true);
  expect(sightings.isAlive(registration(), 1_001)).toBe(false);
  expect(sightings.isAlive(registration({ beat: 1 }), 1_001)).toBe(true);
  expect(sightings.isAlive(registration({ beat: 1 }), 2_001)).toBe(true);
  expect(sightings.isAlive(registration({ beat: 1 }), 2_002)).toBe(false);
});

it("judges by the lease that was promised where that is longer, and else by its own", () => {
  const sightings = createSightings(LEASE_MS);
  const long = registration({ leaseMs: 5_000 });
  const short = registration({ incarnation: 2, leaseMs: 0 });
  sightings.isAlive(long, 0);
  sightings.isAlive(short, 0);
  expect([sightings.isAlive(long, 5_000), sightings.isAlive(long, 5_001)]).toEqual([true, false]);
  expect([sightings.isAlive(short, 1_000), sightings.isAlive(short, 1_001)]).toEqual([true, false]);
});

it("takes a successor to be there until the next beat", () => {
  const sightings = createSightings(LEASE_MS);
  sightings.isAlive(registration(), 0);
  sightings.expectSuccessor(1);
  sightings.isAlive(registration(), 500);
  expect(sightings.isSucceeded(1)).toBe(true);
  sightings.isAlive(registration({ beat: 1 }), 600);
  expect(sightings.isSucceeded(1)).toBe(false);
});

it("starts anew for whom it has forgotten", () => {
  const sightings = createSightings(LEASE_MS);
  sightings.isAlive(registration(), 0);
  sightings.isAlive(registration({ incarnation: 2 }), 0);
  sightings.keep([2]);
  expect(sightings.isAlive(registration(), 2_000)).toBe(true);
  expect(sightings.isAlive(registration({ incarnation: 2 }), 2_000)).toBe(false);
});

it("puts the end of those it could not look at off once for each beat", () => {
  const sightings = createSightings(LEASE_MS);
  sightings.isAlive(registration(), 0);
  sightings.putOff(900);
  expect(sightings.isAlive(registration(), 1_900)).toBe(true);
  sightings.putOff(1_900);
  expect(sightings.isAlive(registration(), 1_901)).toBe(false);
  sightings.isAlive(registration({ beat: 1 }), 2_000);
  sightings.putOff(3_500);
  expect(sightings.isAlive(registration({ beat: 1 }), 4_500)).toBe(true);
});
