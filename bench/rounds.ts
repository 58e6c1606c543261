/** How often each side of a comparison is measured. Odd, so that the median is one of them. */
const ROUNDS = 3;

/**
 * Measures several things in turn, each round in another order, so that a machine that slows down or speeds up meanwhile
 * does so for all. One round before is not counted: code is compiled and caches are filled in it.
 *
 * @returns of each, what it measured in every round that counts
 */
export async function alternate<K extends string, T>(
  sides: Readonly<Record<K, () => Promise<T>>>,
  options: { readonly rounds?: number; readonly warmUp?: boolean } = {},
): Promise<Record<K, T[]>> {
  const { rounds = ROUNDS, warmUp = true } = options;
  const names = Object.keys(sides) as K[];
  const results = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<K, T[]>;
  if (warmUp) for (const name of names) await sides[name]();
  for (let round = 0; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) results[name].push(await sides[name]());
  }
  return results;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The smallest value that this share of all does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new Error("nothing was measured");
  return value;
}
