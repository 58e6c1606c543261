import { ConfigError } from "./config-error.js";
import type { Logger } from "./logger.js";
import { sleep } from "./sleep.js";

/** Something outside the process that can be read again while the process runs, such as a file of secrets. */
export interface Reloader {
  /** The variable that names it. */
  readonly variable: string;
  /**
   * Reads it again. Where it is at fault, everything stays as it was.
   * @throws ConfigError with a line for each fault; no line repeats a secret
   */
  reload(): Promise<ReloadOutcome>;
}

/** `needs restart`: it has changed, and the process cannot take the change while it runs. */
export type ReloadOutcome = "changed" | "unchanged" | "needs restart";

/** A file server that hangs must not hang the reloaders behind it. */
const RELOAD_MS = 10_000;

/** The files that a process can read again. Parts add their own. A signal runs all reloaders. */
export class Reloaders {
  readonly #logger: Logger;
  readonly #reloaders: Reloader[] = [];
  #running: Promise<void> | undefined;
  #isDueAgain = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(reloader: Reloader): void {
    this.#reloaders.push(reloader);
  }

  /**
   * Runs all reloaders, one after the other, and logs the result of each. Calls that come during a run share one more
   * run. Never rejects.
   */
  run(): Promise<void> {
    this.#isDueAgain = true;
    this.#running ??= this.#runWhileDue();
    return this.#running;
  }

  async #runWhileDue(): Promise<void> {
    while (this.#isDueAgain) {
      this.#isDueAgain = false;
      for (const reloader of this.#reloaders) await this.#reload(reloader);
      const variables = this.#reloaders.map(({ variable }) => variable);
      this.#logger.info({ variables }, "reload ended; a change of anything else needs a restart");
    }
    this.#running = undefined;
  }

  async #reload(reloader: Reloader): Promise<void> {
    const { variable } = reloader;
    try {
      const outcome = await withTimeout(variable, reloader.reload());
      if (outcome === "needs restart") this.#logger.warn({ variable }, `${variable} has changed and needs a restart`);
      else this.#logger.info({ variable, outcome }, `${variable} was read again`);
    } catch (error) {
      if (error instanceof ConfigError) {
        for (const fault of error.faults) this.#logger.error({ variable }, `not reloaded: ${fault}`);
      } else {
        this.#logger.error({ variable, err: error }, `not reloaded: ${variable}`);
      }
    }
  }
}

async function withTimeout<T>(variable: string, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const tooLate = async (): Promise<never> => {
    await sleep(RELOAD_MS, done.signal);
    throw new ConfigError([`${variable}: was not read within ${RELOAD_MS} ms`]);
  };
  try {
    return await Promise.race([work, tooLate()]);
  } finally {
    done.abort();
  }
}
