import { assignShards } from "@taskscheduler/domain";
import { type Logger, type Part, sleep } from "@taskscheduler/runtime";
import type { Database } from "../database/database.js";
import { endRegistration, findRegistrations, type Registration } from "./fleet-store.js";

const MAX_POLL_MS = 500;
/** Schedulers beat five times a lease, and at least once a second: one that lives is heard within half as much again. */
const MAX_SUCCESSION_MS = 1_500;
const SUCCESSION_SHARE = 0.3;

/**
 * The live schedulers as this process judges them. A beat is a counter: who was seen unchanged for the lease, by our own
 * monotonic clock, is dead, and is ended in the database unless it has beaten since. So no two clocks are compared.
 *
 * Where a process starts under its name, that silence need not last as long: who was started again is dead, and its
 * successor has its shards at once; who shares the name by mistake shows itself with its next beat. Until then nobody
 * takes what it holds.
 */
export interface Fleet extends Part {
  /** Undefined: ended, or not known yet (`refresh` finds out). */
  shardsOf(incarnation: number): readonly number[] | undefined;
  /** All that have not ended. */
  incarnations(): readonly number[];
  /** Reads the registrations now. */
  refresh(): Promise<void>;
  /** A process starts under the name: who has it by now must show a sign of life soon. */
  expectSuccessor(schedulerId: string): void;
}

interface Sighting {
  readonly beat: number;
  /** Unchanged until then, it is dead. */
  readonly deadlineMs: number;
  /** A process has started under its name since. */
  readonly isSucceeded: boolean;
}

export function createFleet(database: Database, leaseMs: number, logger: Logger): Fleet {
  const pollMs = Math.min(MAX_POLL_MS, leaseMs / 10);
  const stopping = new AbortController();
  const sightings = new Map<number, Sighting>();
  let shards = new Map<number, readonly number[]>();
  let registrations: readonly Registration[] = [];
  let lastPollMs = performance.now();
  let polling: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    const found = await database.read(() => database.withConnection(findRegistrations));
    const nowMs = performance.now();
    // While we could not look, nobody could show us a sign of life either.
    if (nowMs - lastPollMs > leaseMs / 2) sightings.clear();
    lastPollMs = nowMs;
    const live: Registration[] = [];
    for (const registration of found) {
      if (!(await isLive(registration, nowMs))) continue;
      const isSucceeded = sightings.get(registration.incarnation)?.isSucceeded === true;
      live.push(isSucceeded ? { ...registration, state: "DRAINING" } : registration);
    }
    for (const incarnation of sightings.keys()) {
      if (!found.some((registration) => registration.incarnation === incarnation)) sightings.delete(incarnation);
    }
    registrations = live;
    shards = assign(live);
  }

  async function isLive(registration: Registration, nowMs: number): Promise<boolean> {
    const { incarnation, beat, schedulerId } = registration;
    const sighting = sightings.get(incarnation);
    if (sighting === undefined || beat > sighting.beat) {
      sightings.set(incarnation, { beat, deadlineMs: nowMs + leaseMs, isSucceeded: false });
      return true;
    }
    if (nowMs <= sighting.deadlineMs) return true;
    const hasEnded = await database.read(() =>
      database.withConnection((connection) => endRegistration(connection, incarnation, beat)),
    );
    if (!hasEnded) return true;
    logger.warn({ schedulerId, incarnation }, "a scheduler fell silent; others take over");
    return false;
  }

  function expectSuccessor(name: string): void {
    const successionMs = Math.min(MAX_SUCCESSION_MS, leaseMs * SUCCESSION_SHARE);
    for (const { incarnation, schedulerId } of registrations) {
      const sighting = sightings.get(incarnation);
      if (schedulerId !== name || sighting === undefined) continue;
      const deadlineMs = Math.min(sighting.deadlineMs, performance.now() + successionMs);
      sightings.set(incarnation, { ...sighting, deadlineMs, isSucceeded: true });
    }
  }

  async function poll(): Promise<void> {
    while (!stopping.signal.aborted) {
      await refresh().catch((error: unknown) => logger.debug({ err: error }, "the registrations cannot be read"));
      await sleep(pollMs, stopping.signal).catch(() => undefined);
    }
  }

  return {
    name: "fleet",
    shardsOf: (incarnation) => shards.get(incarnation),
    incarnations: () => registrations.map((registration) => registration.incarnation),
    refresh,
    expectSuccessor,
    async start() {
      lastPollMs = performance.now();
      polling = poll();
    },
    async stop() {
      stopping.abort();
      await polling;
    },
  };
}

/** Shards follow names, so that a restarted scheduler gets those it had; of one name, each process counts. */
function assign(live: readonly Registration[]): Map<number, readonly number[]> {
  const names = new Map<string, number>();
  for (const { incarnation, schedulerId, state } of live) {
    if (state === "LIVE")
      names.set(names.has(schedulerId) ? `${schedulerId}#${incarnation}` : schedulerId, incarnation);
  }
  const shards = new Map<number, readonly number[]>(live.map(({ incarnation }) => [incarnation, []]));
  for (const [name, assigned] of assignShards([...names.keys()])) {
    const incarnation = names.get(name);
    if (incarnation !== undefined) shards.set(incarnation, assigned);
  }
  return shards;
}
