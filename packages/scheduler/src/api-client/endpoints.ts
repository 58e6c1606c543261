import { type Backoff, createBackoff, type Logger, sleep } from "@taskscheduler/runtime";
import { type ApiAddress, formatApiAddress } from "./api-address.js";
import { ApiConnection, type ApiTarget } from "./api-connection.js";
import { ApiError, type LeaveCause, unavailableCode } from "./api-error.js";
import { NameRecords } from "./name-records.js";

export interface EndpointsOptions {
  /** At least one. */
  readonly addresses: readonly ApiAddress[];
  readonly logger: Logger;
  /** Default: the machine's resolver. */
  readonly records?: NameRecords;
  /** Chooses addresses and pauses. Between 0 (inclusive) and 1 (exclusive); default: Math.random. */
  readonly random?: () => number;
}

export interface ConnectionWait {
  /** Maximum wait for a connection. */
  readonly deadlineMs: number;
  readonly signals: readonly AbortSignal[];
}

/** Maximum number of failures in a message. */
const maxFailuresShown = 8;

/**
 * Holds one connection to one of the APIs.
 *
 * - unconnected: at first, and after a caller left the connection;
 * - connecting: a caller asked for a connection. The names are resolved, and the addresses tried in a random order, so that
 *   many schedulers spread over the APIs. Callers that ask meanwhile wait for the same connection;
 * - connected: until a caller leaves the connection;
 * - closed: takes no more callers.
 *
 * Each address is tried once before any is tried again; an API that serves ends the round. After a round in vain, a pause
 * comes that grows from 0.1 s to 1 s.
 */
export class Endpoints {
  readonly #options: EndpointsOptions;
  readonly #records: NameRecords;
  readonly #random: () => number;
  readonly #closing = new AbortController();
  readonly #backoff: Backoff;
  readonly #tried = new Set<string>();
  #connected: ApiConnection | undefined;
  #connecting: Promise<ApiConnection> | undefined;
  /** The API on the connection has registered the scheduler or answered a heartbeat. */
  #hasServed = false;
  /** Connections that were left, and may have calls under way. */
  #retired: readonly ApiConnection[] = [];

  constructor(options: EndpointsOptions) {
    this.#options = options;
    this.#records = options.records ?? new NameRecords();
    this.#random = options.random ?? Math.random;
    this.#backoff = createBackoff({ initialMs: 100, maxMs: 1_000, random: this.#random });
  }

  /** @throws ApiError UNAVAILABLE when no API can be reached, or none in time */
  async connection({ deadlineMs, signals }: ConnectionWait): Promise<ApiConnection> {
    if (this.#closing.signal.aborted) throw new ApiError(unavailableCode, "the client is closed");
    if (this.#connected !== undefined) return this.#connected;
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return inTime(this.#connecting, deadlineMs, signals);
  }

  /** Notes that the API registered the scheduler or answered a heartbeat. Every address is worth another try after that. */
  served(connection: ApiConnection): void {
    if (connection !== this.#connected) return;
    if (!this.#hasServed) this.#options.logger.info({ api: connection.address }, "connected to an API");
    this.#hasServed = true;
    this.#tried.clear();
    this.#backoff.reset();
  }

  /** Sends the next call over a new connection. With the cause `unfit`, the calls under way fail at once. */
  leave(connection: ApiConnection, cause: LeaveCause): void {
    if (connection !== this.#connected) return;
    this.#connected = undefined;
    if (cause === "unfit") connection.cut();
    else connection.retire();
    if (cause !== "aged") this.#tried.add(connection.address);
    this.#retired = [...this.#retired, connection].filter(({ isClosed }) => !isClosed);
    const level = cause === "unfit" ? "warn" : "info";
    this.#options.logger[this.#hasServed ? level : "debug"]({ api: connection.address, cause }, "leaving an API");
  }

  /** Fails the calls that are under way. */
  close(): void {
    this.#closing.abort();
    for (const connection of this.#retired) connection.cut();
    this.#connected?.cut();
    this.#connected = undefined;
  }

  async #connect(): Promise<ApiConnection> {
    const untried = await this.#untriedTargets();
    const failures: string[] = [];
    while (untried.length > 0) {
      const [target] = untried.splice(Math.floor(this.#random() * untried.length), 1);
      if (target === undefined) break;
      this.#tried.add(target.address);
      try {
        const connection = await ApiConnection.open(target, this.#closing.signal);
        if (this.#closing.signal.aborted) {
          connection.cut();
          break;
        }
        this.#connected = connection;
        this.#hasServed = false;
        return connection;
      } catch (error) {
        if (this.#closing.signal.aborted) break;
        failures.push(`${target.address}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    const detail = failures.slice(0, maxFailuresShown).join("; ") || "no name has an address";
    throw new ApiError(unavailableCode, `no API can be reached (${detail})`);
  }

  async #untriedTargets(): Promise<ApiTarget[]> {
    const targets = await this.#targets();
    const untried = targets.filter(({ address }) => !this.#tried.has(address));
    if (untried.length > 0) return untried;
    await sleep(this.#backoff.nextMs(), this.#closing.signal).catch(() => undefined);
    this.#tried.clear();
    return targets;
  }

  /** Resolves all names anew. An address that several names have is listed once. */
  async #targets(): Promise<ApiTarget[]> {
    const resolved = await Promise.all(
      this.#options.addresses.map(async (configured) => {
        const hosts = await this.#records.addressesOf(configured.host);
        const authority = formatApiAddress(configured);
        return hosts.map((host) => ({ address: formatApiAddress({ ...configured, host }), authority }));
      }),
    );
    return [...new Map(resolved.flat().map((target) => [target.address, target])).values()];
  }
}

/** Bounds the wait of one caller. The others go on waiting. */
async function inTime<T>(awaited: Promise<T>, deadlineMs: number, signals: readonly AbortSignal[]): Promise<T> {
  const waiting = new AbortController();
  const stop = (): void => waiting.abort();
  for (const signal of signals) {
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  }
  const giveUp = sleep(deadlineMs, waiting.signal).catch(() => undefined);
  try {
    return await Promise.race([
      awaited,
      giveUp.then(() => {
        throw new ApiError(unavailableCode, "no API was reached in time");
      }),
    ]);
  } finally {
    for (const signal of signals) signal.removeEventListener("abort", stop);
    stop();
  }
}
