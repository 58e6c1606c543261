import type { Logger } from "./logger.js";
import type { Part } from "./part.js";

/**
 * Why a process cannot do its job at this moment: a sentence each, for its operator. None: it is ready. `/readyz` shows them
 * to whoever can reach the port, so a reason names the variable or setting to look at, and holds no secret, SQL or path.
 */
export type Readiness = () => readonly string[];

export interface ReadinessLogOptions {
  readonly readiness: Readiness;
  readonly logger: Logger;
}

/** How often the reasons are looked at. */
const LOOK_MS = 1_000;
/** Reasons that replace each other are logged this often at most, so that they fill no log. */
const CHANGE_MS = 5_000;
/** Reasons that last are logged again. */
const REPEAT_MS = 30_000;

/** Logs why the process is not ready: when that changes, every 30 s while it lasts, and once when it is over. */
export class ReadinessLog implements Part {
  readonly name = "readiness log";
  readonly #readiness: Readiness;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  /** The reasons of the last line, empty where it said that the process is ready; undefined before the first. */
  #logged: string | undefined;
  #loggedAtMs = 0;

  constructor({ readiness, logger }: ReadinessLogOptions) {
    this.#readiness = readiness;
    this.#logger = logger;
  }

  async start(): Promise<void> {
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
  }

  /** A process that stops is not ready, which it says itself. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
  }

  #look(): void {
    const reasons = this.#readiness();
    const text = reasons.join("\n");
    if (!this.#isDue(text)) return;
    this.#logged = text;
    this.#loggedAtMs = performance.now();
    if (text === "") this.#logger.info("ready");
    else this.#logger.warn({ reasons }, "not ready");
  }

  #isDue(text: string): boolean {
    const isSame = text === this.#logged;
    if (text === "") return !isSame;
    const wasReady = this.#logged === undefined || this.#logged === "";
    return wasReady || performance.now() - this.#loggedAtMs >= (isSame ? REPEAT_MS : CHANGE_MS);
  }
}
