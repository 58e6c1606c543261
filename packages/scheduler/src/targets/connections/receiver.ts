import { type buildConnector, Client, type Dispatcher } from "undici";

/** Below the 5 s of Node's servers: who closes a connection that is just taken up loses the request. */
const keepAliveMs = 4_000;
/** Where a server tells how long it keeps connections. */
const maxKeepAliveMs = 10_000;
const maxHeaderBytes = 16 * 1024;
/** After so long a name is looked up again, so that its new address is found. */
const maxConnectionAgeMs = 60_000;
/** Many servers end an HTTP/2 connection after 1000 requests; undici loses the one that is then under way. */
const maxCallsPerConnection = 500;

/** An undici client: one connection at a time, opened when it is needed. */
interface Connection {
  readonly client: Client;
  readonly bornMs: number;
  callsLeft: number;
}

/** An origin that is called, with its connections: each call has one to itself, over HTTP/2 too. The run queue bounds them. */
export class Receiver {
  readonly #origin: string;
  readonly #connect: buildConnector.connector;
  readonly #connections = new Set<Connection>();
  /** The last that became free is taken up first; the others are closed in time. */
  readonly #free: Connection[] = [];
  #underWay = 0;

  constructor(origin: string, connect: buildConnector.connector) {
    this.#origin = origin;
    this.#connect = connect;
  }

  get isIdle(): boolean {
    return this.#underWay === 0;
  }

  /** @param signal when it is aborted the connection goes: undici waits for one that is being made, whatever a request says */
  async run<T>(exchange: (dispatcher: Dispatcher) => Promise<T>, signal: AbortSignal): Promise<T> {
    this.#underWay++;
    const connection = this.#take();
    const drop = (): void => this.#drop(connection);
    signal.addEventListener("abort", drop, { once: true });
    try {
      const result = await exchange(connection.client);
      this.#giveBack(connection);
      return result;
    } catch (error) {
      this.#drop(connection);
      throw error;
    } finally {
      signal.removeEventListener("abort", drop);
      this.#underWay--;
    }
  }

  /** Fails what is under way. */
  async close(): Promise<void> {
    await Promise.all([...this.#connections].map(({ client }) => client.destroy()));
  }

  #take(): Connection {
    for (let free = this.#free.pop(); free !== undefined; free = this.#free.pop()) {
      if (free.callsLeft > 0 && performance.now() - free.bornMs < maxConnectionAgeMs) {
        free.callsLeft--;
        return free;
      }
      this.#drop(free);
    }
    return this.#open();
  }

  #open(): Connection {
    const client = new Client(this.#origin, {
      connect: this.#connect,
      allowH2: true,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: maxKeepAliveMs,
      maxHeaderSize: maxHeaderBytes,
      // A call's own time bounds them, whatever the receiver does.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const connection = { client, bornMs: performance.now(), callsLeft: maxCallsPerConnection - 1 };
    this.#connections.add(connection);
    return connection;
  }

  #giveBack(connection: Connection): void {
    if (connection.callsLeft > 0) this.#free.push(connection);
    else this.#drop(connection);
  }

  #drop(connection: Connection): void {
    this.#connections.delete(connection);
    connection.client.destroy().catch(() => undefined);
  }
}
