import { setMaxListeners } from "node:events";
import type { Part } from "@taskscheduler/runtime";
import { databaseUnavailable } from "./database/database-error.js";

const LOOK_MS = 100;
/** The first look after the process itself was held up finds it unready, although its database answers. */
const UNREADY_LOOKS = 2;

/**
 * Watches whether this API is ready, so that calls that another API could answer do not wait here.
 *
 * - ready: `lost` is not aborted;
 * - lost: the API was not ready at two looks in a row, or was never ready. `lost` is aborted. The next look that finds the
 *   API ready makes a new signal.
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

  /** Aborted, with DATABASE_UNAVAILABLE, as soon as readiness is lost. Callers ask for the signal anew for each call. */
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

/** A controller without a limit of listeners: every call under way adds one, and Node warns of more than ten. */
function unlimited(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
