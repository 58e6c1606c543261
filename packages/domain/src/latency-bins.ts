import { MAX_TIME_MS, MIN_TIME_MS } from "./time/time-range.js";

/** No two instants lie further apart. */
const LONGEST_MS = MAX_TIME_MS - MIN_TIME_MS;

/**
 * Where each bin of a histogram of whole milliseconds begins. One a millisecond up to 19; from there each is about a
 * tenth wider than the one before, so that its middle is at most a twentieth away from whatever fell in. By integers alone:
 * the database, which stores bins by their number, sorts in by this same list.
 */
export const LATENCY_BIN_FLOORS_MS: readonly number[] = binFloors();

function binFloors(): number[] {
  const floors: number[] = [];
  for (let floorMs = 0; floorMs <= LONGEST_MS; ) {
    floors.push(floorMs);
    floorMs = Math.max(floorMs + 1, Math.floor((floorMs * 11) / 10));
  }
  return floors;
}

/** The number of the bin that a time falls in; what is negative falls in the first. */
export function latencyBin(timeMs: number): number {
  let low = 0;
  let high = LATENCY_BIN_FLOORS_MS.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (timeMs < (LATENCY_BIN_FLOORS_MS[middle] as number)) high = middle;
    else low = middle;
  }
  return low;
}

/** Throws RangeError for a number that no bin has. */
export function latencyBinRangeMs(bin: number): { readonly lowestMs: number; readonly highestMs: number } {
  const lowestMs = LATENCY_BIN_FLOORS_MS[bin];
  if (lowestMs === undefined) throw new RangeError(`there is no bin ${bin}`);
  return { lowestMs, highestMs: (LATENCY_BIN_FLOORS_MS[bin + 1] ?? LONGEST_MS + 1) - 1 };
}
