import type { OneShot, SetOneShot } from "./one-shot.js";

/** The clock that times are read by, and how the wall clock shows them. */
export interface AlarmClock {
  nowMs(): number;
  wallOf(serverMs: number): number;
}

/** What an item's alarm is kept in; only `SlotAlarms` looks into it. On the item itself, as 20,000 look-ups cost time. */
export interface Alarmed {
  alarm: Alarm | undefined;
}

export interface Alarm {
  readonly timeMs: number;
  /** The end of its slot. */
  readonly slotAtMs: number;
}

export interface SlotAlarmsOptions<T extends Alarmed> {
  /** Items due within a slot go off together, at its end. */
  readonly slotMs: number;
  readonly clock: AlarmClock;
  readonly setOneShot: SetOneShot;
  /** Gets the items whose time has come, in the order of their times. Each is forgotten before. */
  readonly onDue: (items: T[]) => void;
  readonly onError: (error: unknown) => void;
}

interface Slot<T extends Alarmed> {
  /** Its end: no item in it is later. */
  readonly atMs: number;
  readonly items: Set<T>;
  job: OneShot | undefined;
}

/** Node fires a timer of 2^31 ms at once; a slot that is further away is looked at again after this. */
const longestWaitMs = 86_400_000;
/** `new Date` knows no later instant. */
const lastInstantMs = 8.64e15;

/**
 * Alarms for very many items on few jobs. node-schedule gives each job a timer of its own, one millisecond apart, and
 * inserts in linear time; so all items whose time lies within one slot share a job, and are handed over together.
 *
 * An item has at most one alarm, in one `SlotAlarms`. It goes off when the clock shows its time or later, never before: a job that comes
 * early (the clocks were corrected, or the wall clock was set) is set again. A job that comes late takes all later slots
 * that are due by then along.
 */
export class SlotAlarms<T extends Alarmed> {
  readonly #options: SlotAlarmsOptions<T>;
  readonly #slots = new Map<number, Slot<T>>();
  #size = 0;
  #isSweepDue = false;
  #isStopped = false;

  constructor(options: SlotAlarmsOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Sets the item's alarm, or moves it. A time that is past goes off with the next turn of the event loop; what is
   * no instant at all is an error, and never goes off.
   */
  set(item: T, timeMs: number): void {
    if (this.#isStopped) return;
    this.delete(item);
    if (!(Math.abs(timeMs) <= lastInstantMs)) {
      this.#options.onError(new RangeError(`no alarm can be set for ${timeMs}`));
      return;
    }
    const slotAtMs = Math.ceil(timeMs / this.#options.slotMs) * this.#options.slotMs;
    this.#slotAt(slotAtMs).items.add(item);
    item.alarm = { timeMs, slotAtMs };
    this.#size++;
  }

  delete(item: T): boolean {
    const slot = item.alarm === undefined ? undefined : this.#slots.get(item.alarm.slotAtMs);
    if (slot === undefined || !slot.items.delete(item)) return false;
    item.alarm = undefined;
    this.#size--;
    if (slot.items.size === 0) this.#remove(slot);
    return true;
  }

  /** The clock was corrected or set: sets every job anew. */
  rearm(): void {
    for (const slot of this.#slots.values()) {
      slot.job?.cancel();
      slot.job = undefined;
    }
    for (const slot of this.#slots.values()) this.#arm(slot);
  }

  /** Forgets everything, and takes nothing more. */
  stop(): void {
    this.#isStopped = true;
    for (const slot of this.#slots.values()) slot.job?.cancel();
    this.#slots.clear();
    this.#size = 0;
  }

  #slotAt(atMs: number): Slot<T> {
    const known = this.#slots.get(atMs);
    if (known !== undefined) return known;
    const slot: Slot<T> = { atMs, items: new Set(), job: undefined };
    this.#slots.set(atMs, slot);
    this.#arm(slot);
    return slot;
  }

  #remove(slot: Slot<T>): void {
    slot.job?.cancel();
    slot.job = undefined;
    this.#slots.delete(slot.atMs);
  }

  #arm(slot: Slot<T>): void {
    const { clock, setOneShot, onError } = this.#options;
    const waitMs = slot.atMs - clock.nowMs();
    if (waitMs <= 0) {
      this.#sweepSoon();
      return;
    }
    const wallMs = clock.wallOf(waitMs > longestWaitMs ? slot.atMs - waitMs + longestWaitMs : slot.atMs);
    const job = setOneShot(wallMs, () => this.#fire(slot, job), onError);
    slot.job = job;
    // The wall clock moved on in between.
    if (job === undefined) this.#sweepSoon();
  }

  #fire(slot: Slot<T>, job: OneShot | undefined): void {
    if (this.#slots.get(slot.atMs) !== slot || slot.job !== job) return;
    slot.job = undefined;
    const lateMs = this.#options.clock.nowMs() - slot.atMs;
    if (lateMs < 0) this.#arm(slot);
    else if (lateMs < this.#options.slotMs) this.#handOver([slot]);
    else this.#sweep();
  }

  #sweepSoon(): void {
    if (this.#isSweepDue) return;
    this.#isSweepDue = true;
    setImmediate(() => {
      this.#isSweepDue = false;
      try {
        this.#sweep();
      } catch (error) {
        this.#options.onError(error);
      }
    });
  }

  /** Hands over every slot that is due. A slot without a job that is not due (the clock went back) gets its job. */
  #sweep(): void {
    const nowMs = this.#options.clock.nowMs();
    const due: Slot<T>[] = [];
    for (const slot of this.#slots.values()) {
      if (slot.atMs <= nowMs) due.push(slot);
      else if (slot.job === undefined) this.#arm(slot);
    }
    this.#handOver(due.sort((a, b) => a.atMs - b.atMs));
  }

  #handOver(slots: readonly Slot<T>[]): void {
    const due: T[] = [];
    for (const slot of slots) {
      for (const item of slot.items) due.push(item);
      this.#remove(slot);
    }
    this.#size -= due.length;
    due.sort((a, b) => (a.alarm?.timeMs ?? 0) - (b.alarm?.timeMs ?? 0));
    for (const item of due) item.alarm = undefined;
    if (due.length > 0) this.#options.onDue(due);
  }
}
