import type { Registration } from "./fleet-store.js";

/**
 * What this process has seen of the schedulers' beats, by its own monotonic clock: no two clocks are compared. Times are
 * milliseconds of that clock.
 */
export interface Sightings {
  /** Whether it has shown a sign of life within its lease. A beat that was not seen before is one. */
  isAlive(registration: Registration, nowMs: number): boolean;
  /** A process has started under its name, until it beats again. */
  isSucceeded(incarnation: number): boolean;
  expectSuccessor(incarnation: number): void;
  /** Everybody starts anew, with a whole lease. */
  forgetAll(): void;
  /** Forgets all others. */
  keep(incarnations: readonly number[]): void;
}

interface Sighting {
  readonly beat: number;
  /** Unchanged until then, it is dead. */
  readonly deadlineMs: number;
  readonly isSucceeded: boolean;
}

/** @param leaseMs what is waited for at least; a scheduler that was promised a longer lease is given that */
export function createSightings(leaseMs: number): Sightings {
  const sightings = new Map<number, Sighting>();
  return {
    isAlive(registration, nowMs) {
      const { incarnation, beat } = registration;
      const sighting = sightings.get(incarnation);
      if (sighting !== undefined && beat <= sighting.beat) return nowMs <= sighting.deadlineMs;
      const deadlineMs = nowMs + Math.max(leaseMs, registration.leaseMs);
      sightings.set(incarnation, { beat, deadlineMs, isSucceeded: false });
      return true;
    },
    isSucceeded: (incarnation) => sightings.get(incarnation)?.isSucceeded === true,
    expectSuccessor(incarnation) {
      const sighting = sightings.get(incarnation);
      if (sighting !== undefined) sightings.set(incarnation, { ...sighting, isSucceeded: true });
    },
    forgetAll: () => sightings.clear(),
    keep(incarnations) {
      const kept = new Set(incarnations);
      for (const incarnation of sightings.keys()) if (!kept.has(incarnation)) sightings.delete(incarnation);
    },
  };
}
