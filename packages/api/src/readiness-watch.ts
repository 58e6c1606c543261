import { setMaxListeners } from "node:events";
import type { Part } from "@taskscheduler/runtime";
import { databaseUnavailable } from "./database/database-error.js";

const LOOK_MS = 100;
/** One look alone may fall into a moment in which the process itself was held up. */
const UNREADY_LOOKS = 2;

/**
 * Whether this API can do its job, for work that had better be done by another API while it cannot.
 *
 * - ready;
 * - lost: not ready when it was looked at twice in a row, or never yet. `lost` is aborted meanwhile.
 */
export class ReadinessWatch implements Part {
  readonly name = "readiness watch";
  readonly #isReady: () => boolean;
  #lost = new AbortController();
  #unreadyLooks = 0;
  #looking: NodeJS.Timeout | undefined;

  constructor(isReady: () => boolean) {
    this.#isReady = isReady;
    this.#lost.abort(databaseUnavailable());
  }

  /** A signal that is aborted with DATABASE_UNAVAILABLE as soon as readiness is lost, and already is while it is lost. */
  get lost(): AbortSignal {
    if (this.#lost.signal.aborted) this.#look();
    return this.#lost.signal;
  }

  async start(): Promise<void> {
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#looking);
  }

  #look(): void {
    this.#unreadyLooks = this.#isReady() ? 0 : this.#unreadyLooks + 1;
    if (this.#unreadyLooks >= UNREADY_LOOKS) this.#lost.abort(databaseUnavailable());
    else if (this.#unreadyLooks === 0 && this.#lost.signal.aborted) this.#lost = unlimited();
  }
}

/** Every call under way listens to it; Node warns of more than ten. */
function unlimited(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
