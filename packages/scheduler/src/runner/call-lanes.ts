import { Fifo } from "./fifo.js";
import { type Call, HostLane } from "./host-lane.js";
import { Moments } from "./moments.js";
import type { RunLimits } from "./run-limits.js";

/** Whom a run calls, and for which task. */
export interface Lane {
  /** What the host's limits are counted by. */
  readonly host: string;
  readonly taskId: number;
}

export interface CallLanesOptions<T> {
  readonly limits: RunLimits;
  /** Asked once of each, when its turn comes and before it takes anything; what is not wanted is forgotten. */
  readonly isWanted: (item: T) => boolean;
}

/**
 * Who starts next: hosts by turns, within a host its tasks by turns, within a task in order. So a host that is slow, or
 * has thousands waiting, takes its own slots and holds up nobody: the next slot that is free goes to the host that has
 * waited for it the longest. Nothing is searched: what may not start stands where it is found again by what lets it.
 *
 * A host is
 *
 * - in the rotation: something of it may start, as soon as a slot is free and its turn comes;
 * - held back by its pace: it waits for a moment, and then joins the rotation;
 * - full: it is at its limit, or all that waits is of tasks at theirs; the end of a run, or another task, brings it back;
 * - recovering: it has nothing to run, and is remembered for its pace alone, until a moment;
 * - forgotten.
 *
 * `#place` alone moves it. A host in the rotation stays one that may start until its turn: only its turns take anything.
 *
 * A task is known at each host by itself: where its target moves, what is still under way at the old host does not count.
 */
export class CallLanes<T extends NonNullable<unknown>> {
  readonly #options: CallLanesOptions<T>;
  readonly #hosts = new Map<string, HostLane<T>>();
  readonly #rotation = new Fifo<HostLane<T>>();
  readonly #moments = new Moments<HostLane<T>>();
  #waiting = 0;
  #inFlight = 0;

  constructor(options: CallLanesOptions<T>) {
    this.#options = options;
  }

  /** Those that are not wanted any more are among them until their turn. */
  get waiting(): number {
    return this.#waiting;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Hosts that are not forgotten. */
  get hosts(): number {
    return this.#hosts.size;
  }

  /** The next moment at which time alone changes something. */
  get nextMomentMs(): number | undefined {
    return this.#moments.firstMs;
  }

  /** @param nowMs monotonic, as everywhere here */
  add(item: T, { host: name, taskId }: Lane, nowMs: number): void {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = new HostLane(name, this.#options.limits);
      this.#hosts.set(name, host);
    }
    this.#waiting++;
    host.add(item, taskId);
    this.#place(host, nowMs);
  }

  /** Whether there is a slot, and something that may have it; what waits may turn out not to be wanted, all the same. */
  mayStart(nowMs: number): boolean {
    this.#momentsCome(nowMs);
    return this.#rotation.size > 0 && this.#inFlight < this.#options.limits.maxConcurrency;
  }

  /** When something may start: the next that is wanted, in flight from now on until `end`; undefined when none is. */
  take(nowMs: number): Call<T> | undefined {
    for (let host = this.#rotation.shift(); host !== undefined; host = this.#rotation.shift()) {
      host.isInRotation = false;
      const call = host.take(this.#isWanted);
      if (call !== undefined) {
        this.#inFlight++;
        host.pace.started(nowMs);
      }
      this.#place(host, nowMs);
      if (call !== undefined) return call;
    }
    return undefined;
  }

  end({ host, task }: Call<T>, nowMs: number): void {
    this.#inFlight--;
    host.end(task);
    this.#place(host, nowMs);
  }

  readonly #isWanted = (item: T): boolean => {
    this.#waiting--;
    return this.#options.isWanted(item);
  };

  #momentsCome(nowMs: number): void {
    for (let host = this.#moments.shiftDue(nowMs); host !== undefined; host = this.#moments.shiftDue(nowMs)) {
      this.#place(host, nowMs);
    }
  }

  #place(host: HostLane<T>, nowMs: number): void {
    if (host.isInRotation) return;
    this.#moments.delete(host);
    const { nextMs, recoveredMs } = host.pace;
    if (host.mayStart && nextMs <= nowMs) {
      host.isInRotation = true;
      this.#rotation.push(host);
    } else if (host.mayStart) {
      this.#moments.set(host, nextMs);
    } else if (host.isIdle && recoveredMs > nowMs) {
      this.#moments.set(host, recoveredMs);
    } else if (host.isIdle) {
      this.#hosts.delete(host.host);
    }
  }
}
