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
  /**
   * While we could not look, nobody could show us a sign of life either: everybody has a whole lease again. Once for each
   * beat, as where looking takes long again and again, on a starved machine, the dead would keep their shards.
   */
  putOff(nowMs: number): void;
  /** Forgets all others. */
  keep(incarnations: readonly number[]): void;
}

interface Sighting {
  readonly beat: number;
  /** Unchanged until then, it is dead. */
  readonly deadlineMs: number;
  readonly leaseMs: number;
  /** The deadline was put off. */
  readonly isPutOff: boolean;
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
      const promisedMs = Math.max(leaseMs, registration.leaseMs);
      const deadlineMs = nowMs + promisedMs;
      sightings.set(incarnation, { beat, deadlineMs, leaseMs: promisedMs, isPutOff: false, isSucceeded: false });
      return true;
    },
    isSucceeded: (incarnation) => sightings.get(incarnation)?.isSucceeded === true,
    expectSuccessor(incarnation) {
      const sighting = sightings.get(incarnation);
      if (sighting !== undefined) sightings.set(incarnation, { ...sighting, isSucceeded: true });
    },
    putOff(nowMs) {
      for (const [incarnation, sighting] of sightings) {
        if (sighting.isPutOff) continue;
        sightings.set(incarnation, { ...sighting, deadlineMs: nowMs + sighting.leaseMs, isPutOff: true });
      }
    },
    keep(incarnations) {
      const kept = new Set(incarnations);
      for (const incarnation of sightings.keys()) if (!kept.has(incarnation)) sightings.delete(incarnation);
    },
  };
}
