import { setTimeout as delay } from "node:timers/promises";

/** Node fires a longer timer at once. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Waits for a time. Rejects with an `AbortError` (its cause: the signal's reason) as soon as the signal is aborted.
 * @throws RangeError for a time that no timer of Node can hold
 */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (!(ms <= longestTimerMs)) throw new RangeError(`cannot sleep for ${ms} ms`);
  await delay(Math.max(0, ms), undefined, signal === undefined ? undefined : { signal });
}
