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
  /** How often the reasons are looked at; default 1 s. */
  readonly lookMs?: number;
  /** How often reasons that last are logged again; default 30 s. */
  readonly repeatMs?: number;
}

/**
 * Logs why the process is not ready: when the reasons change, again and again while they last, and once when they are over.
 * At most one line a look, so that reasons that come and go fill no log.
 */
export class ReadinessLog implements Part {
  readonly name = "readiness log";
  readonly #readiness: Readiness;
  readonly #logger: Logger;
  readonly #lookMs: number;
  readonly #repeatMs: number;
  #timer: NodeJS.Timeout | undefined;
  /** The reasons of the last line; undefined before the first. */
  #logged: string | undefined;
  #loggedAtMs = 0;

  constructor({ readiness, logger, lookMs = 1_000, repeatMs = 30_000 }: ReadinessLogOptions) {
    this.#readiness = readiness;
    this.#logger = logger;
    this.#lookMs = lookMs;
    this.#repeatMs = repeatMs;
  }

  async start(): Promise<void> {
    this.#timer ??= setInterval(() => this.#look(), this.#lookMs);
  }

  /** A process that stops is not ready, which it says itself. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
  }

  #look(): void {
    const reasons = this.#readiness();
    const text = reasons.join("\n");
    const nowMs = performance.now();
    const isSame = text === this.#logged;
    if (isSame && (reasons.length === 0 || nowMs - this.#loggedAtMs < this.#repeatMs)) return;
    this.#logged = text;
    this.#loggedAtMs = nowMs;
    if (reasons.length === 0) this.#logger.info("ready");
    else this.#logger.warn({ reasons }, "not ready");
  }
}
