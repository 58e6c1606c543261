/** Those who wait for the log to move on. */
export interface LogWaiters {
  wakeAll(): void;
  /** Resolves at the next wake, or after the time. Rejects when the signal aborts. */
  next(signal: AbortSignal, timeoutMs: number): Promise<void>;
}

export function createLogWaiters(): LogWaiters {
  let waiting = new Set<() => void>();
  return {
    wakeAll() {
      const woken = waiting;
      waiting = new Set();
      for (const resolve of woken) resolve();
    },
    next(signal, timeoutMs) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
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
