import { setTimeout as wait } from "node:timers/promises";
import type { Database } from "./database.js";

/** Epoch milliseconds by the database's clock: the one that all processes agree on. */
export interface Clock {
  nowMs(): number;
}

export interface DatabaseClock extends Clock {
  /** The same, with a fraction. */
  preciseNowMs(): number;
  offsetMs(): number;
  /** Asks the database once; its answer counts if the round trip was short against the others'. */
  measure(): Promise<void>;
}

/** The database's clock against `performance.now()`, which nobody can set. */
interface Sample {
  readonly offsetMs: number;
  readonly roundTripMs: number;
}

const SAMPLES = 16;
const READING_ERROR_MS = 1;
/** Clocks that agree within a reading's error are taken for one, if the error is too little to be early by. */
const SAME_CLOCK_MS = 2;

export function createDatabaseClock(database: Database, readSample = readFrom(database)): DatabaseClock {
  let samples: Sample[] = [];
  let best: Sample | undefined;

  /** The database's clock less this machine's. A difference that the reading itself could have made is none. */
  function offsetMs(): number {
    if (best === undefined) return 0;
    const differenceMs = performance.now() + best.offsetMs - wallNowMs();
    return Math.abs(differenceMs) <= errorOf(best) ? 0 : differenceMs;
  }

  /** By a clock that differs, never ahead of the database's: nothing may be due early. */
  function preciseNowMs(): number {
    if (best === undefined) return wallNowMs();
    const isSameClock = offsetMs() === 0 && errorOf(best) <= SAME_CLOCK_MS;
    return isSameClock ? wallNowMs() : performance.now() + best.offsetMs - errorOf(best);
  }

  async function measure(): Promise<void> {
    const sample = await readSample();
    // One of the clocks was set, or the machine slept: what was measured before says nothing any more.
    if (best !== undefined && Math.abs(sample.offsetMs - best.offsetMs) > errorOf(sample) + errorOf(best)) samples = [];
    samples.push(sample);
    if (samples.length > SAMPLES) samples.shift();
    best = samples.reduce((a, b) => (b.roundTripMs < a.roundTripMs ? b : a));
  }

  return {
    nowMs: () => Math.floor(preciseNowMs()),
    preciseNowMs,
    offsetMs,
    measure,
  };
}

function errorOf(sample: Sample): number {
  return sample.roundTripMs / 2 + READING_ERROR_MS;
}

/**
 * The wall clock with a fraction. `performance.now()` does not follow a stepped clock and may drift from a slewed one:
 * its fraction counts only as long as both agree to the millisecond.
 */
function wallNowMs(): number {
  const wallMs = Date.now();
  const fineMs = performance.timeOrigin + performance.now();
  return fineMs >= wallMs && fineMs < wallMs + 1 ? fineMs : wallMs;
}

function readFrom(database: Database): () => Promise<Sample> {
  return () =>
    database.withConnection(async (connection) => {
      const sentMs = performance.now();
      const rows: { n: string }[] = await connection.query("SELECT UNIX_TIMESTAMP(NOW(6)) * 1000 AS n");
      const roundTripMs = performance.now() - sentMs;
      return { offsetMs: Number(rows[0]?.n) - (sentMs + roundTripMs / 2), roundTripMs };
    });
}

/**
 * Keeps the clock measured until the signal. A database that is away leaves the clock as it was.
 *
 * @param onMeasured is given the failure of each measurement, or undefined
 */
export async function keepMeasuring(
  clock: DatabaseClock,
  intervalMs: number,
  onMeasured: (failure: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.measure().then(() => onMeasured(undefined), onMeasured);
    await wait(intervalMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
