import { setTimeout as delay } from "node:timers/promises";

/**
 * Asks again until the answer is truthy.
 *
 * @template T
 * @param {() => T | Promise<T>} check
 * @param {{ timeoutMs: number, intervalMs?: number, signal?: AbortSignal }} options
 * @returns {Promise<T | undefined>} the answer, or undefined where the time ran out or the signal came first
 */
export async function waitFor(check, { timeoutMs, intervalMs = 50, signal }) {
  const deadline = performance.now() + timeoutMs;
  while (!signal?.aborted) {
    const answer = await check();
    if (answer) return answer;
    if (performance.now() >= deadline) return undefined;
    await delay(intervalMs, undefined, { signal }).catch(() => {});
  }
  return undefined;
}
