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

  async function enter(): Promise<void> {
    if (free > 0) {
      free -= 1;
      return;
    }
    if (line.length >= maxWaiting) throw refusal();
    await new Promise<void>((resolve, reject) => {
      const admit = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        line.splice(line.indexOf(admit), 1);
        reject(refusal());
      }, waitMs);
      line.push(admit);
    });
  }

  /** Hands the permit on to who waits longest. */
  function leave(): void {
    const admit = line.shift();
    if (admit === undefined) free += 1;
    else admit();
  }

  return async <T>(work: () => Promise<T>): Promise<T> => {
    await enter();
    try {
      return await work();
    } finally {
      leave();
    }
  };
}
