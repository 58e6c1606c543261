import type { TLSSocket } from "node:tls";
import { type Connection, type ConnectionEvents, UnansweredError } from "./connection.js";
import type { Connect } from "./connector.js";
import { Http1Connection } from "./http1-connection.js";
import { Http2Connection } from "./http2-connection.js";
import type { Protocol } from "./socket.js";

/** Age at which a connection is no longer taken up: a new one finds a name's new address. */
const MAX_CONNECTION_AGE_MS = 60_000;
/** HTTP/2 has no advantage for a connection that serves one request at a time. Some receivers speak nothing else. */
const PROTOCOLS: readonly Protocol[] = ["http/1.1", "h2"];
/** Time in which a kept connection fails that the receiver closed before the request reached it: a round trip. */
const STALE_MS = 1_000;

interface OpenConnection {
  readonly connection: Connection;
  readonly bornMs: number;
}

/** An origin that is called, with its connections. Each call has a connection to itself. The run queue bounds them. */
export class Receiver {
  readonly #origin: string;
  readonly #connect: Connect;
  readonly #connections = new Set<OpenConnection>();
  /** The connection that became free last is taken up first. The others close when they have been idle for long. */
  readonly #free: OpenConnection[] = [];
  #protocols = PROTOCOLS;
  #tlsSession: Buffer | undefined;
  #underWay = 0;

  constructor(origin: string, connect: Connect) {
    this.#origin = origin;
    this.#connect = connect;
  }

  get isIdle(): boolean {
    return this.#underWay === 0;
  }

  /**
   * Runs an exchange, and once more on a new connection where the first one surely, or in all likelihood, has not reached
   * the receiver's application.
   *
   * @param signal closes the connection when it is aborted
   */
  async run<T>(exchange: (connection: Connection) => Promise<T>, signal: AbortSignal): Promise<T> {
    this.#underWay++;
    try {
      const kept = await this.#takeFree();
      const connection = kept ?? (await this.#open(signal));
      const sentMs = performance.now();
      try {
        return await this.#exchange(connection, exchange, signal);
      } catch (error) {
        const isStale = kept !== undefined && performance.now() - sentMs < STALE_MS;
        if (signal.aborted || !this.#maySendAgain(error, isStale)) throw error;
        return await this.#exchange(await this.#open(signal), exchange, signal);
      }
    } finally {
      this.#underWay--;
    }
  }

  /** Fails what is under way. */
  close(): void {
    for (const each of this.#connections) each.connection.destroy();
  }

  #maySendAgain(error: unknown, isStale: boolean): boolean {
    if (!(error instanceof UnansweredError)) return false;
    if (error.kind === "HTTP_1_1_REQUIRED") this.#protocols = ["http/1.1"];
    return error.kind !== "SILENT" || isStale;
  }

  async #exchange<T>(
    { connection }: OpenConnection,
    exchange: (connection: Connection) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const destroy = (): void => connection.destroy();
    signal.addEventListener("abort", destroy, { once: true });
    try {
      signal.throwIfAborted();
      return await exchange(connection);
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      signal.removeEventListener("abort", destroy);
    }
  }

  async #takeFree(): Promise<OpenConnection | undefined> {
    if (this.#free.length === 0) return undefined;
    // Node now reads what has arrived: connections that receivers have closed are no longer free.
    await new Promise((resolve) => setImmediate(resolve));
    for (let free = this.#free.pop(); free !== undefined; free = this.#free.pop()) {
      const isYoung = performance.now() - free.bornMs < MAX_CONNECTION_AGE_MS;
      if (isYoung && free.connection.isFree) return free;
      free.connection.destroy();
    }
    return undefined;
  }

  async #open(signal: AbortSignal): Promise<OpenConnection> {
    const target = { origin: this.#origin, protocols: this.#protocols, tlsSession: this.#tlsSession };
    const socket = await this.#connect(target, signal);
    socket.on("session", (session: Buffer) => {
      this.#tlsSession = session;
    });
    const events: ConnectionEvents = {
      onFree: () => void this.#free.push(opened),
      onClose: () => this.#forget(opened),
    };
    const isHttp2 = (socket as Partial<TLSSocket>).alpnProtocol === "h2";
    const connection = isHttp2
      ? new Http2Connection(this.#origin, socket, events)
      : new Http1Connection(socket, events);
    const opened: OpenConnection = { connection, bornMs: performance.now() };
    this.#connections.add(opened);
    return opened;
  }

  #forget(closed: OpenConnection): void {
    this.#connections.delete(closed);
    const index = this.#free.indexOf(closed);
    if (index >= 0) this.#free.splice(index, 1);
  }
}
