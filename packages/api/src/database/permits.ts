export interface PermitOptions {
  /** How many work at once. */
  readonly count: number;
  /** How many may wait, and how long. */
  readonly maxWaiting: number;
  readonly waitMs: number;
  /** What those are told who find the line full, or waited in vain. */
  readonly refusal: () => Error;
}

/** Lets so many work at once; others wait in line. */
export function createPermits({ count, maxWaiting, waitMs, refusal }: PermitOptions) {
  let free = count;
  const line: (() => void)[] = [];

  async function enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (free > 0) {
      free -= 1;
      return;
    }
    if (line.length >= maxWaiting) throw refusal();
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", giveUp);
        settle();
      };
      const admit = (): void => end(resolve);
      const refuse = (reason: unknown): void => {
        line.splice(line.indexOf(admit), 1);
        end(() => reject(reason));
      };
      const giveUp = (): void => refuse(signal?.reason);
      const timer = setTimeout(() => refuse(refusal()), waitMs);
      signal?.addEventListener("abort", giveUp);
      line.push(admit);
    });
  }

  /** Hands the permit on to who waits longest. */
  function leave(): void {
    const admit = line.shift();
    if (admit === undefined) free += 1;
    else admit();
  }

  /** @param signal whoever waits with it leaves the line when it aborts; the call then rejects with its reason */
  return async <T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
    await enter(signal);
    try {
      return await work();
    } finally {
      leave();
    }
  };
}
