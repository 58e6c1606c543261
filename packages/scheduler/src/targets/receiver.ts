import { type buildConnector, type Dispatcher, Pool } from "undici";

/** Calls of one origin under way, and so its connections: even over HTTP/2 a POST has its connection to itself. */
export const maxCallsPerOrigin = 64;
/** Below the 5 s of Node's servers: who closes a connection that is just taken up loses the request. */
const keepAliveMs = 4_000;
/** Where a server tells how long it keeps connections. */
const maxKeepAliveMs = 10_000;
const maxHeaderBytes = 16 * 1024;
/**
 * A pool is replaced after so long, so that a name's new address is found, and after so many calls: servers end an HTTP/2
 * connection after 1000 requests, and the client then loses the one that is under way.
 */
const maxPoolAgeMs = 60_000;
const maxPoolCalls = 500;

/** An origin that is called, with its connections. */
export class Receiver {
  readonly #origin: string;
  readonly #connect: buildConnector.connector;
  /** The last is for new calls; those before have calls under way. */
  readonly #pools = new Set<Pool>();
  #newest: { readonly pool: Pool; readonly bornMs: number; callsLeft: number } | undefined;
  #underWay = 0;
  readonly #waiting = new Set<() => void>();

  constructor(origin: string, connect: buildConnector.connector) {
    this.#origin = origin;
    this.#connect = connect;
  }

  get isIdle(): boolean {
    return this.#underWay === 0 && this.#waiting.size === 0;
  }

  /**
   * Runs an exchange when it is its turn.
   * @param signal ends the waiting alone: an exchange is under way until it settles
   */
  async run<T>(exchange: (dispatcher: Dispatcher) => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#turn(signal);
    try {
      return await exchange(this.#pool());
    } finally {
      this.#underWay--;
      const [next] = this.#waiting;
      next?.();
    }
  }

  /** Fails what is under way. */
  async close(): Promise<void> {
    await Promise.all([...this.#pools].map((pool) => pool.destroy()));
  }

  async #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#underWay >= maxCallsPerOrigin) await this.#wait(signal);
    else this.#underWay++;
  }

  /** Whoever makes room takes the turn for the next, so that none is overtaken. */
  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(start);
        signal.removeEventListener("abort", giveUp);
      };
      const start = (): void => {
        leave();
        this.#underWay++;
        resolve();
      };
      const giveUp = (): void => {
        leave();
        reject(signal.reason);
      };
      this.#waiting.add(start);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  #pool(): Pool {
    const nowMs = performance.now();
    if (this.#newest !== undefined && (this.#newest.callsLeft === 0 || nowMs - this.#newest.bornMs > maxPoolAgeMs)) {
      this.#retire(this.#newest.pool);
      this.#newest = undefined;
    }
    this.#newest ??= { pool: this.#createPool(), bornMs: nowMs, callsLeft: maxPoolCalls };
    this.#newest.callsLeft--;
    return this.#newest.pool;
  }

  /** The pool itself does not queue: its clients would outlive it where connections fail. */
  #createPool(): Pool {
    const pool = new Pool(this.#origin, {
      connect: this.#connect,
      allowH2: true,
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: maxKeepAliveMs,
      maxHeaderSize: maxHeaderBytes,
      // A call's own time bounds them, whatever the receiver does.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.#pools.add(pool);
    return pool;
  }

  /** Its connections end with what is under way on them. */
  #retire(pool: Pool): void {
    pool.close().then(
      () => this.#pools.delete(pool),
      () => this.#pools.delete(pool),
    );
  }
}
