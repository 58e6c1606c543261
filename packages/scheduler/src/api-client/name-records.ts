import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { sleep } from "@taskscheduler/runtime";

/** Gives the IP addresses of a name. */
export type LookUp = (name: string) => Promise<readonly string[]>;

/** Maximum wait for a name. A later answer counts for the next caller. */
const longestWaitMs = 1_000;

/** Resolves a name as the machine does: by its hosts file, DNS or another source. */
const lookUpBySystem: LookUp = async (name) => (await lookup(name, { all: true })).map(({ address }) => address);

/**
 * Finds the IP addresses of names, and asks anew each time. A name that cannot be resolved in time keeps its last known
 * addresses: the APIs behind it may be well while DNS is away.
 */
export class NameRecords {
  readonly #lookUp: LookUp;
  readonly #waitMs: number;
  readonly #known = new Map<string, readonly string[]>();
  /** Look-ups under way, one for each name at most: they cannot be cancelled. */
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(lookUp: LookUp = lookUpBySystem, waitMs = longestWaitMs) {
    this.#lookUp = lookUp;
    this.#waitMs = waitMs;
  }

  /** @returns an empty list for a name that was never resolved */
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
