import type { Logger } from "@taskscheduler/runtime";
import type { Clock } from "./clock.js";
import { Lease } from "./lease.js";
import { ServerClock } from "./server-clock.js";
import { StepWatch } from "./step-watch.js";

/** Alarms are set anew when the correction changed by this. */
const noticeableCorrectionMs = 2;
const alarmingOffsetMs = 250;

export interface TimekeeperOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The wall clock was set, or the machine slept. */
  readonly onStep: () => void;
  /** The wall clock stands otherwise to the server's than before: alarms are to be set anew. */
  readonly onMoved: () => void;
}

/**
 * Says what time it is by the database's clock, and whether anything may start.
 *
 * Nothing may start without a valid lease and a synchronised clock. Both come from calls that the API acknowledged; both
 * are lost when the wall clock is set or the machine sleeps, as nobody knows then how much time has passed, and come
 * back with the first call that is sent after that.
 */
export class Timekeeper {
  readonly #options: TimekeeperOptions;
  readonly #lease: Lease;
  readonly #serverClock: ServerClock;
  readonly #stepWatch: StepWatch;
  #movedToMs = 0;
  #isOffsetAlarming = false;

  constructor(options: TimekeeperOptions) {
    this.#options = options;
    this.#lease = new Lease(options.clock);
    this.#serverClock = new ServerClock(options.clock);
    this.#stepWatch = new StepWatch(options.clock, (stepMs) => this.#stepped(stepMs));
  }

  /** Server time. May be wrong while nothing may start. */
  nowMs(): number {
    return this.#serverClock.nowMs();
  }

  wallOf(serverMs: number): number {
    return this.#serverClock.wallOf(serverMs);
  }

  monotonicMs(): number {
    return this.#options.clock.monotonicMs();
  }

  get offsetMs(): number {
    return this.#serverClock.offsetMs;
  }

  get leaseRemainingMs(): number {
    return this.#lease.remainingMs;
  }

  mayStart(): boolean {
    this.#stepWatch.check();
    return this.#lease.isValid && this.isSynchronised;
  }

  /** Whether an answer of the API has told the database's time since the clock was last set. */
  get isSynchronised(): boolean {
    return this.#serverClock.isSynchronised;
  }

  /** To be called about once a second. */
  tick(): void {
    this.#stepWatch.tick();
  }

  /** The API answered a call of this incarnation, right now. @param sentAtMs monotonic */
  acknowledged(sentAtMs: number, serverTimeMs: number, leaseMs: number): void {
    const { clock } = this.#options;
    const receivedAtMs = clock.monotonicMs();
    const receivedWallMs = clock.wallMs();
    // After a step, what was sent before it counts no more.
    this.#stepWatch.check();
    this.#serverClock.learn({ sentAtMs, receivedAtMs, receivedWallMs, serverTimeMs });
    this.#lease.renew(sentAtMs, leaseMs);
    this.#noticeOffset();
  }

  /** The incarnation ended. */
  endLease(): void {
    this.#lease.end();
  }

  #noticeOffset(): void {
    const { offsetMs, correctionMs } = this.#serverClock;
    const isAlarming = Math.abs(offsetMs) > alarmingOffsetMs;
    if (isAlarming && !this.#isOffsetAlarming) {
      const rounded = Math.round(offsetMs);
      this.#options.logger.warn({ offsetMs: rounded }, "this machine's clock differs from the database's; corrected");
    }
    this.#isOffsetAlarming = isAlarming;
    if (Math.abs(correctionMs - this.#movedToMs) < noticeableCorrectionMs) return;
    this.#movedToMs = correctionMs;
    this.#options.onMoved();
  }

  #stepped(stepMs: number): void {
    const rounded = Math.round(stepMs);
    this.#options.logger.warn(
      { stepMs: rounded },
      "the clock was set, or the machine slept; nothing starts until the API answers",
    );
    this.#serverClock.invalidate();
    this.#lease.end();
    this.#options.onStep();
    this.#options.onMoved();
  }
}
