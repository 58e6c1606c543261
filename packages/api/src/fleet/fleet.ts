import { assignShards } from "@taskscheduler/domain";
import { type Logger, type Part, sleep } from "@taskscheduler/runtime";
import type { Database } from "../database/database.js";
import { endRegistration, findRegistrations, type Registration } from "./fleet-store.js";
import { createSightings } from "./sightings.js";

const MAX_POLL_MS = 500;

/**
 * The live schedulers as this process judges them. A beat is a counter: who was seen unchanged for the lease, by our own
 * monotonic clock, is dead, and is ended in the database unless it has beaten since. So no two clocks are compared.
 *
 * Where a process starts under its name, it was probably started again: its successor has its shards at once. What it
 * holds nobody takes before its lease is over, for it may live, and share the name by mistake; with its next beat it
 * gets shards again.
 */
export interface Fleet extends Part {
  /** Undefined: ended, or not known yet (`refresh` finds out). */
  shardsOf(incarnation: number): readonly number[] | undefined;
  /** All that have not ended. */
  incarnations(): readonly number[];
  /** Reads the registrations now. */
  refresh(): Promise<void>;
  /** A process starts under the name: who has it by now gets nothing new until it beats. */
  expectSuccessor(schedulerId: string): void;
}

export function createFleet(database: Database, leaseMs: number, logger: Logger): Fleet {
  const pollMs = Math.min(MAX_POLL_MS, leaseMs / 10);
  const stopping = new AbortController();
  const sightings = createSightings(leaseMs);
  let shards = new Map<number, readonly number[]>();
  let registrations: readonly Registration[] = [];
  let lastPollMs = performance.now();
  let polling: Promise<void> | undefined;
  let reading: Promise<void> | undefined;
  let nextReading: Promise<void> | undefined;

  /** One at a time: an older reading must not overwrite a newer one. Who comes meanwhile shares the next. */
  function refresh(): Promise<void> {
    if (reading === undefined) {
      reading = read().finally(() => {
        reading = undefined;
      });
      return reading;
    }
    nextReading ??= reading
      .catch(() => undefined)
      .then(() => {
        nextReading = undefined;
        return refresh();
      });
    return nextReading;
  }

  async function read(): Promise<void> {
    const found = await database.guarded(() => database.withConnection(findRegistrations));
    const nowMs = performance.now();
    if (nowMs - lastPollMs > leaseMs / 2) sightings.putOff(nowMs);
    lastPollMs = nowMs;
    const live: Registration[] = [];
    for (const registration of found) {
      if (!(await isLive(registration, nowMs))) continue;
      const isSucceeded = sightings.isSucceeded(registration.incarnation);
      live.push(isSucceeded ? { ...registration, state: "DRAINING" } : registration);
    }
    sightings.keep(found.map(({ incarnation }) => incarnation));
    registrations = live;
    shards = assign(live);
  }

  async function isLive(registration: Registration, nowMs: number): Promise<boolean> {
    if (sightings.isAlive(registration, nowMs)) return true;
    const { incarnation, beat, schedulerId } = registration;
    const hasEnded = await database.guarded(() =>
      database.withConnection((connection) => endRegistration(connection, incarnation, beat)),
    );
    if (!hasEnded) return true;
    logger.warn({ schedulerId, incarnation }, "a scheduler fell silent; others take over");
    return false;
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
    expectSuccessor(name) {
      for (const { incarnation, schedulerId } of registrations) {
        if (schedulerId === name) sightings.expectSuccessor(incarnation);
      }
    },
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
