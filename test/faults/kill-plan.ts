import type { Random } from "../setup/random.js";

/** Something that is killed, and started again as a supervisor does: at once. */
export interface Victim {
  readonly name: string;
  /** Kills it and starts it again; resolves when it may be killed once more. */
  restart(): Promise<void>;
}

export interface Strike {
  /** After the strike before. */
  readonly pauseMs: number;
  /** By index; all at the same moment. */
  readonly victims: readonly number[];
}

const PAUSE_MS = { from: 1_000, to: 8_000 };
/** One strike of so many hits two at once. */
const DOUBLE_EVERY = 4;

/** Who is killed when, for so long. Drawn beforehand, so that the seed alone says it, whatever happens meanwhile. */
export function planKills(random: Random, victims: number, durationMs: number): Strike[] {
  const strikes: Strike[] = [];
  for (let atMs = 0; ; ) {
    const pauseMs = random.between(PAUSE_MS.from, PAUSE_MS.to);
    const first = random.below(victims);
    const second = (first + 1 + random.below(victims - 1)) % victims;
    atMs += pauseMs;
    if (atMs > durationMs) return strikes;
    strikes.push({ pauseMs, victims: random.below(DOUBLE_EVERY) === 0 ? [first, second] : [first] });
  }
}

/** Carries the plan out. A victim that is still being started again is hit as soon as that is done. */
export async function strikeBy(plan: readonly Strike[], victims: readonly Victim[]): Promise<void> {
  const restarts = victims.map(() => Promise.resolve());
  let failure: unknown;
  for (const strike of plan) {
    await new Promise((resolve) => setTimeout(resolve, strike.pauseMs));
    for (const index of strike.victims) {
      const restart = restarts[index]!.then(() => victims[index]!.restart());
      restarts[index] = restart.catch((error: unknown) => {
        failure ??= error;
      });
    }
  }
  await Promise.all(restarts);
  if (failure !== undefined) throw failure;
}

/** As a person reads it: `4.2 s: api 1, mariadb`. */
export function describePlan(plan: readonly Strike[], victims: readonly Victim[]): string {
  let atMs = 0;
  return plan
    .map((strike) => {
      atMs += strike.pauseMs;
      return `${(atMs / 1_000).toFixed(1)} s: ${strike.victims.map((index) => victims[index]!.name).join(" and ")}`;
    })
    .join(", ");
}
