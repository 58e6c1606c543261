/** Those who wait for the log to move on. */
export interface LogWaiters {
  /** The log has moved on to the revision, or is another one. */
  wakeAll(revision: number): void;
  /** Resolves when the last wake told of more than the revision, at the next wake, or after the time. Rejects when the signal aborts. */
  beyond(revision: number, timeoutMs: number, signal: AbortSignal): Promise<void>;
}

/**
 * @param paceMs after so many were woken, how long until the next are: what comes meanwhile they are told together, which
 *   for each of them takes a fraction of being woken for every change
 */
export function createLogWaiters(paceMs: (woken: number) => number): LogWaiters {
  let waiting = new Set<() => void>();
  /** What the last wake told of, and what the next one will. */
  let told = 0;
  let untold = 0;
  let nextMs = 0;
  let isPlanned = false;

  function wake(): void {
    isPlanned = false;
    told = untold;
    const woken = waiting;
    waiting = new Set();
    nextMs = performance.now() + paceMs(woken.size);
    for (const resolve of woken) resolve();
  }

  return {
    wakeAll(revision) {
      untold = revision;
      if (isPlanned) return;
      const waitMs = nextMs - performance.now();
      if (waitMs <= 0) return wake();
      isPlanned = true;
      setTimeout(wake, waitMs);
    },
    beyond(revision, timeoutMs, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        if (told > revision) return resolve();
        const end = (settle: () => void) => {
          waiting.delete(onWake);
          signal.removeEventListener("abort", onAbort);
          clearTimeout(timer);
          settle();
        };
        const onAbort = () => end(() => reject(signal.reason));
        const onWake = () => end(resolve);
        const timer = setTimeout(onWake, Math.max(1, timeoutMs));
        waiting.add(onWake);
        signal.addEventListener("abort", onAbort);
      });
    },
  };
}
