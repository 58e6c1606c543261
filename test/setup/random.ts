/** Draws the same numbers from the same seed, so that a run that failed can be run again. */
export interface Random {
  readonly seed: number;
  /** 0 to below `below`, whole. */
  below(below: number): number;
  /** Both inclusive, whole. */
  between(from: number, to: number): number;
  pick<T>(items: readonly T[]): T;
  /** Another generator, whose draws leave this one's as they are: for what goes on beside. */
  fork(): Random;
}

/** @param what is printed with the seed; `TEST_SEED` gives the seed of an earlier run again */
export function createRandom(what: string): Random {
  const seed = Number(process.env["TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  process.stderr.write(`${what}: TEST_SEED=${seed}\n`);
  return seededBy(seed);
}

function seededBy(seed: number): Random {
  let state = seed >>> 0;
  // Mulberry32.
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    seed,
    below,
    between: (from, to) => from + below(to - from + 1),
    pick: (items) => items[below(items.length)]!,
    fork: () => seededBy(below(2 ** 31)),
  };
}
