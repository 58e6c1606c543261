import type { Lane } from "./call-lanes.js";
import { DrivenTimer } from "./driven-timer.fixture.js";
import type { RunLimits } from "./run-limits.js";
import { RunQueue } from "./run-queue.js";

export interface DrivenRun {
  readonly name: string;
  /** undefined: a reminder. */
  readonly lane: Lane | undefined;
  isWanted: boolean;
}

/** Limits that nothing here meets. */
export const noLimits: RunLimits = {
  maxConcurrency: 100_000,
  maxConcurrencyPerHost: 100_000,
  maxConcurrencyPerTask: 100_000,
  maxRatePerHost: 0,
};

export const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A queue whose runs end when a test says so, on a clock that the test turns. */
export class DrivenQueue {
  readonly time = new DrivenTimer();
  readonly queue: RunQueue<DrivenRun>;
  isOpen = true;
  /** In order. */
  readonly started: DrivenRun[] = [];
  /** What the queue asked. */
  readonly asked = { laneOf: 0, isWanted: 0, isOpen: 0 };
  readonly #ends = new Map<DrivenRun, () => void>();

  constructor(
    limits: Partial<RunLimits>,
    onStart: (run: DrivenRun) => void = () => undefined,
    isTimerDriven: boolean = true,
  ) {
    this.queue = new RunQueue<DrivenRun>({
      limits: { ...noLimits, ...limits },
      laneOf: ({ lane }) => {
        this.asked.laneOf++;
        return lane;
      },
      isWanted: ({ isWanted }) => {
        this.asked.isWanted++;
        return isWanted;
      },
      isOpen: () => {
        this.asked.isOpen++;
        return this.isOpen;
      },
      run: (run) => {
        onStart(run);
        this.started.push(run);
        return run.lane === undefined
          ? Promise.resolve()
          : new Promise<void>((resolve) => void this.#ends.set(run, resolve));
      },
      nowMs: this.time.nowMs,
      ...(isTimerDriven ? { setTimer: this.time.setTimer } : {}),
    });
  }

  get startedNames(): string[] {
    return this.started.map(({ name }) => name);
  }

  /** In the order of their starts. */
  get inFlight(): DrivenRun[] {
    return [...this.#ends.keys()];
  }

  add(...runs: DrivenRun[]): void {
    this.queue.add(runs);
  }

  /** Ends runs that are in flight, one after the other, and lets what each brings about happen. */
  async end(...runs: DrivenRun[]): Promise<void> {
    for (const run of runs) {
      this.#ends.get(run)?.();
      this.#ends.delete(run);
      await nextTurn();
    }
  }

  /** Ends all in flight, and all that start instead, until nothing is. */
  async endAll(): Promise<void> {
    while (this.#ends.size > 0) await this.end(...this.inFlight);
  }
}

/** `a1.0`, `a1.1` …: runs of task 1 at host `a`. */
export function runsOf(host: string, taskId: number, count: number): DrivenRun[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `${host}${taskId}.${index}`,
    lane: { host, taskId },
    isWanted: true,
  }));
}

export function reminders(count: number): DrivenRun[] {
  return Array.from({ length: count }, (_, index) => ({ name: `reminder${index}`, lane: undefined, isWanted: true }));
}
