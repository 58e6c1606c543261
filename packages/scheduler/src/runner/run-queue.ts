import { CallLanes, type Lane } from "./call-lanes.js";
import { Fifo } from "./fifo.js";
import type { Call } from "./host-lane.js";
import type { RunLimits } from "./run-limits.js";

export interface RunQueueOptions<T> {
  readonly limits: RunLimits;
  /** Whom it calls; undefined: nobody. Asked once, when it is added. */
  readonly laneOf: (item: T) => Lane | undefined;
  /**
   * Asked of what calls somebody when its turn comes, before it takes a slot and a start of its host's rate; what is not
   * wanted is forgotten. What calls nobody takes neither and is not asked about. It may not touch the queue.
   */
  readonly isWanted: (item: T) => boolean;
  /** Asked before each start; while it is false, what is due waits. When that changes, call `resume`. */
  readonly isOpen: () => boolean;
  /** Runs one, if it is still to run. Never rejects. */
  readonly run: (item: T) => Promise<void>;
  /** Monotonic. */
  readonly nowMs: () => number;
  /** Default: `setTimeout`, without keeping the process alive. */
  readonly setTimer?: SetTimer;
}

/** Calls back once, after the delay or somewhat later. @returns what cancels it */
export type SetTimer = (fire: () => void, delayMs: number) => () => void;

/** Starts in one turn of the event loop: so many of what calls nobody, and so many calls. */
const startsPerTurn = 1_000;

const setSystemTimer: SetTimer = (fire, delayMs) => {
  const timer = setTimeout(fire, delayMs).unref();
  return () => clearTimeout(timer);
};

interface Timer {
  readonly atMs: number;
  readonly cancel: () => void;
}

/**
 * Runs what is due, and lets other work in between. What calls nobody starts in order and at once; calls start within
 * their limits and by turns (`CallLanes`). Neither waits for the other. Bounded by the claims that are held.
 *
 * It is open or closed, as `isOpen` says; stopped, for good; and, within a turn of the event loop, out of starts.
 */
export class RunQueue<T extends NonNullable<unknown>> {
  readonly #options: RunQueueOptions<T>;
  /** They call nobody. */
  readonly #reminders = new Fifo<T>();
  readonly #calls: CallLanes<T>;
  #remindersLeft = startsPerTurn;
  #callsLeft = startsPerTurn;
  #isTurnDue = false;
  #isStarting = false;
  #isStopped = false;
  /** For the next moment at which a host's rate lets it start, or lets it be forgotten. */
  #timer: Timer | undefined;

  constructor(options: RunQueueOptions<T>) {
    this.#options = options;
    this.#calls = new CallLanes({ limits: options.limits, isWanted: options.isWanted });
  }

  /** Those that are not to run any more are among them until their turn. */
  get waiting(): number {
    return this.#reminders.size + this.#calls.waiting;
  }

  /** Calls that have not ended. */
  get inFlight(): number {
    return this.#calls.inFlight;
  }

  /** Target hosts with calls that wait or are in flight, or with a rate that has not recovered from them. */
  get hosts(): number {
    return this.#calls.hosts;
  }

  add(items: readonly T[]): void {
    const { laneOf, nowMs } = this.#options;
    for (const item of items) {
      const lane = laneOf(item);
      if (lane === undefined) this.#reminders.push(item);
      else this.#calls.add(item, lane, nowMs());
    }
    this.resume();
  }

  /** Starts what may start. */
  resume(): void {
    if (this.#isStopped) return;
    // Called by what it calls itself: what that was about is seen to at the latest in the next turn.
    if (this.#isStarting) {
      this.#resumeNextTurn();
      return;
    }
    this.#isStarting = true;
    try {
      this.#startReminders();
      this.#startCalls();
    } finally {
      this.#isStarting = false;
    }
    if (this.#remindersLeft < startsPerTurn || this.#callsLeft < startsPerTurn) this.#resumeNextTurn();
    this.#keepTimer();
  }

  /** Nothing starts any more; what is in flight goes on. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
  }

  #startReminders(): void {
    const { run } = this.#options;
    while (this.#reminders.size > 0 && this.#remindersLeft > 0 && this.#isOpen()) {
      const item = this.#reminders.shift();
      if (item === undefined) return;
      this.#remindersLeft--;
      void run(item);
    }
  }

  #startCalls(): void {
    const { nowMs } = this.#options;
    while (this.#callsLeft > 0 && this.#calls.mayStart(nowMs()) && this.#isOpen()) {
      const call = this.#calls.take(nowMs());
      // Nothing was wanted any more.
      if (call === undefined) return;
      this.#callsLeft--;
      void this.#run(call);
    }
  }

  #isOpen(): boolean {
    return !this.#isStopped && this.#options.isOpen();
  }

  async #run(call: Call<T>): Promise<void> {
    await this.#options.run(call.item);
    this.#calls.end(call, this.#options.nowMs());
    this.resume();
  }

  #resumeNextTurn(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => {
      this.#isTurnDue = false;
      this.#remindersLeft = startsPerTurn;
      this.#callsLeft = startsPerTurn;
      this.resume();
    });
  }

  /** An earlier timer than needed stays: when it comes, it is set anew. */
  #keepTimer(): void {
    const atMs = this.#isStopped ? undefined : this.#calls.nextMomentMs;
    if (this.#timer !== undefined && atMs !== undefined && this.#timer.atMs <= atMs) return;
    this.#cancelTimer();
    if (atMs === undefined) return;
    const { setTimer = setSystemTimer, nowMs } = this.#options;
    const fire = (): void => {
      this.#timer = undefined;
      this.resume();
    };
    this.#timer = { atMs, cancel: setTimer(fire, Math.max(0, Math.ceil(atMs - nowMs()))) };
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
