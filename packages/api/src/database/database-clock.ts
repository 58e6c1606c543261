import { setTimeout as wait } from "node:timers/promises";
import type { Database, SqlConnection } from "./database.js";

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

interface Sample {
  readonly offsetMs: number;
  readonly roundTripMs: number;
}

const SAMPLES = 16;
/** A difference that the reading itself could have made is none: on one machine both clocks are the same. */
const READING_ERROR_MS = 1;

export function createDatabaseClock(database: Database): DatabaseClock {
  const samples: Sample[] = [];
  let offsetMs = 0;

  const preciseNowMs = () => wallNowMs() + offsetMs;

  async function measure(): Promise<void> {
    const sample = await database.withConnection(readSample);
    samples.push(sample);
    if (samples.length > SAMPLES) samples.shift();
    const best = samples.reduce((a, b) => (b.roundTripMs < a.roundTripMs ? b : a));
    offsetMs = Math.abs(best.offsetMs) <= best.roundTripMs / 2 + READING_ERROR_MS ? 0 : best.offsetMs;
  }

  return { nowMs: () => Math.floor(preciseNowMs()), preciseNowMs, offsetMs: () => offsetMs, measure };
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

async function readSample(connection: SqlConnection): Promise<Sample> {
  const sentMs = Date.now();
  const start = performance.now();
  const rows: { n: string }[] = await connection.query("SELECT UNIX_TIMESTAMP(NOW(6)) * 1000 AS n");
  const roundTripMs = performance.now() - start;
  return { offsetMs: Number(rows[0]?.n) - (sentMs + roundTripMs / 2), roundTripMs };
}

/** Keeps the clock measured until the signal; a database that is away leaves it as it was. */
export async function keepMeasuring(clock: DatabaseClock, intervalMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.measure().catch(() => undefined);
    await wait(intervalMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
