import { setImmediate as turn } from "node:timers/promises";
import { sleep } from "./sleep.js";

const LOOK_MS = 25;
/** Looks in a row that find nothing new: those who send have gone elsewhere. On a busy machine the looks take longer. */
const QUIET_LOOKS = 6;
/** How long at most something that had reached this machine before the time was over is still taken. */
const LAST_MS = 1_000;

/** Counts the connections that arrive, to tell when they cease. */
export class Arrivals {
  #count = 0;

  arrived(): void {
    this.#count += 1;
  }

  /**
   * Resolves when nothing has arrived for a moment, at the latest after a time or when the signal is aborted. What had
   * reached this machine by then has arrived: a turn of the event loop without an arrival comes before the end.
   */
  async ceased(maxMs: number, signal: AbortSignal): Promise<void> {
    const untilMs = performance.now() + maxMs;
    let seen = this.#count;
    for (let quietLooks = 0; !signal.aborted; ) {
      await turn();
      quietLooks = this.#count === seen ? quietLooks + 1 : 0;
      seen = this.#count;
      const nowMs = performance.now();
      if (quietLooks > QUIET_LOOKS || (quietLooks > 0 && nowMs > untilMs) || nowMs > untilMs + LAST_MS) return;
      if (quietLooks > 0) await sleep(LOOK_MS, signal).catch(() => undefined);
    }
  }
}
