import type { Alarm } from "../alarms/slot-alarms.js";
import { occurrenceKey } from "./occurrence-key.js";

/** An occurrence that falls due soon and that nobody here has claimed. */
export interface ArmedOccurrence {
  readonly key: string;
  readonly taskId: number;
  readonly scheduledTimeMs: number;
  /** When it is to run: its scheduled time, or later where it is tried again. */
  readonly runTimeMs: number;
  /** It is a row of the ledger already, and stands beside the task's own next occurrence. */
  readonly recorded: boolean;
  /** The last subscription that named it. */
  generation: number;
  /** Until its claim is asked for. */
  alarm: Alarm | undefined;
}

export interface ArmedOccurrencesOptions {
  /** Far beyond what an API sends; what is more is left out, and the API sends it again when it is overdue. */
  readonly maxArmed: number;
  /** Whether a claim of the occurrence is held that has not ended. */
  readonly isUnderWay: (key: string) => boolean;
  /** Its claim is to be asked for when its time comes. */
  readonly onArmed: (occurrence: ArmedOccurrence) => void;
  /** It is to be forgotten. */
  readonly onDisarmed: (occurrence: ArmedOccurrence) => void;
  readonly onFull: () => void;
}

/**
 * What the feed says falls due: of each task its own next occurrence, and any number of recorded ones.
 *
 * A subscription begins a generation and sends everything again, in the order of time; what it has not named by the time
 * that its window has moved past it is gone.
 */
export class ArmedOccurrences {
  readonly #options: ArmedOccurrencesOptions;
  readonly #own = new Map<number, ArmedOccurrence>();
  readonly #recorded = new Map<string, ArmedOccurrence>();
  #generation = 0;
  #isAllConfirmed = true;

  constructor(options: ArmedOccurrencesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#own.size + this.#recorded.size;
  }

  isArmed(occurrence: ArmedOccurrence): boolean {
    const { recorded, key, taskId } = occurrence;
    return (recorded ? this.#recorded.get(key) : this.#own.get(taskId)) === occurrence;
  }

  /**
   * The feed names an occurrence. A task's own replaces the one before it. One whose claim is under way is old news:
   * the feed read it before the claim. One whose claim has ended may be tried again, of which the feed can tell before the
   * report's own answer is here.
   */
  arm(taskId: number, scheduledTimeMs: number, recorded: boolean, runTimeMs = scheduledTimeMs): void {
    const key = occurrenceKey(taskId, scheduledTimeMs);
    if (this.#options.isUnderWay(key)) return;
    const before = recorded ? this.#recorded.get(key) : this.#own.get(taskId);
    if (before?.scheduledTimeMs === scheduledTimeMs && before.runTimeMs === runTimeMs) {
      before.generation = this.#generation;
      return;
    }
    if (before !== undefined) this.#remove(before);
    if (this.size >= this.#options.maxArmed) {
      this.#options.onFull();
      return;
    }
    const generation = this.#generation;
    const occurrence = { key, taskId, scheduledTimeMs, runTimeMs, recorded, generation, alarm: undefined };
    if (recorded) this.#recorded.set(key, occurrence);
    else this.#own.set(taskId, occurrence);
    this.#options.onArmed(occurrence);
  }

  /** The task's own occurrence is gone. */
  disarm(taskId: number): void {
    const occurrence = this.#own.get(taskId);
    if (occurrence !== undefined) this.#remove(occurrence);
  }

  /**
   * The API judged the occurrence: it is granted, or not ours. The task's next one is armed, unless the feed has named
   * another since: the feed is the younger news then, and where it is not, the claim of what it named says so again.
   */
  settle(occurrence: ArmedOccurrence, nextScheduledTimeMs: number | undefined): void {
    if (this.isArmed(occurrence)) this.#remove(occurrence);
    if (nextScheduledTimeMs === undefined || this.#own.has(occurrence.taskId)) return;
    this.arm(occurrence.taskId, nextScheduledTimeMs, false);
  }

  beginGeneration(): void {
    this.#generation++;
    this.#isAllConfirmed = false;
  }

  /** Everything that falls due before the bound has been named. */
  confirmBefore(boundMs: number): void {
    if (this.#isAllConfirmed) return;
    this.#isAllConfirmed = true;
    for (const occurrences of [this.#own, this.#recorded]) {
      for (const occurrence of occurrences.values()) {
        if (occurrence.generation === this.#generation) continue;
        if (occurrence.runTimeMs < boundMs) this.#remove(occurrence);
        else this.#isAllConfirmed = false;
      }
    }
  }

  #remove(occurrence: ArmedOccurrence): void {
    if (occurrence.recorded) this.#recorded.delete(occurrence.key);
    else this.#own.delete(occurrence.taskId);
    this.#options.onDisarmed(occurrence);
  }
}
