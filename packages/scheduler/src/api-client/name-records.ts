import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { sleep } from "@taskscheduler/runtime";

/** Gives the IP addresses of a name. */
export type LookUp = (name: string) => Promise<readonly string[]>;

/** Nobody waits longer for a name; its answer then counts for the next who ask. */
const longestWaitMs = 1_000;

/** As the machine resolves names: by its hosts file, by DNS, or whatever else it is told. */
const lookUpBySystem: LookUp = async (name) => (await lookup(name, { all: true })).map(({ address }) => address);

/**
 * The IP addresses of names, asked for anew each time. A name that cannot be resolved, or not in time, keeps the
 * addresses that were found last: the APIs behind it may be well while DNS is away.
 */
export class NameRecords {
  readonly #lookUp: LookUp;
  readonly #waitMs: number;
  readonly #known = new Map<string, readonly string[]>();
  /** A look-up cannot be cancelled; a name has one at a time. */
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(lookUp: LookUp = lookUpBySystem, waitMs = longestWaitMs) {
    this.#lookUp = lookUp;
    this.#waitMs = waitMs;
  }

  /** @returns none: the name has no address that was ever found */
  async addressesOf(host: string): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host];
    const waiting = new AbortController();
    await Promise.race([this.#refresh(host), sleep(this.#waitMs, waiting.signal).catch(() => undefined)]);
    waiting.abort();
    return this.#known.get(host) ?? [];
  }

  #refresh(host: string): Promise<void> {
    const underWay = this.#underWay.get(host);
    if (underWay !== undefined) return underWay;
    const refreshed = this.#lookUp(host)
      .then((addresses) => {
        if (addresses.length > 0) this.#known.set(host, [...new Set(addresses)]);
      })
      .catch(() => undefined)
      .finally(() => this.#underWay.delete(host));
    this.#underWay.set(host, refreshed);
    return refreshed;
  }
}
