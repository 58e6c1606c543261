import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { Arrivals } from "./arrivals.js";
import { sleep } from "./sleep.js";

export interface HttpConnectionsOptions {
  /** The next answer on a connection of about this age closes the connection. Default: 10 minutes. */
  readonly maxAgeMs?: number | undefined;
  /** How long at most new connections are accepted after the server was told to stop. Default: 2 s. */
  readonly acceptMs?: number | undefined;
}

const MAX_AGE_MS = 600_000;
/** Ages differ by up to a tenth, so that connections made together do not end together. */
const AGE_SPREAD = 0.1;
const ACCEPT_MS = 2_000;
/** How long at most connections that are kept alive may bring a last request. */
const LINGER_MS = 1_000;
const IDLE_POLL_MS = 50;

interface Life {
  readonly beganMs: number;
  readonly endsMs: number;
}

/**
 * Ends the connections of an HTTP/1.1 server without failing a request.
 *
 * A client may send a request over a connection that is kept alive at any moment, also while the server closes it. So
 * connections are ended by answers that carry `Connection: close`, and those that bring no request are closed last.
 *
 * The server is in one of four modes:
 * - serving: connections end by age, so that clients spread again over the servers that there are.
 * - accepting: the server is told to stop, and balancers may not know. Connections from before end with their next
 *   answer. New ones are served and kept, so that a client that comes back does not come back for each request.
 * - lingering: the port is closed. Every connection ends with its next answer.
 * - closing: idle connections are closed, others when they have their answer.
 */
export class HttpConnections {
  readonly #server: Server;
  readonly #maxAgeMs: number;
  readonly #acceptMs: number;
  readonly #connections = new Arrivals();
  readonly #requests = new Arrivals();
  readonly #lives = new WeakMap<Socket, Life>();
  /** Connections that have brought no request yet. */
  readonly #unused = new Set<Socket>();
  readonly #openAnswers = new Set<ServerResponse>();
  /** Connections that began earlier are to end. */
  #endBeforeMs = Number.NEGATIVE_INFINITY;

  /** Watches the server from now on; to be called before it listens. */
  constructor(server: Server, { maxAgeMs = MAX_AGE_MS, acceptMs = ACCEPT_MS }: HttpConnectionsOptions = {}) {
    this.#server = server;
    this.#maxAgeMs = maxAgeMs;
    this.#acceptMs = acceptMs;
    server.on("connection", (socket) => this.#begin(socket));
    server.prependListener("request", (request, response) => this.#serve(request, response));
  }

  /** Ends the connections that are open by their next answers, ahead of `close`. */
  leave(): void {
    this.#endEarlierThan(performance.now());
  }

  /**
   * Resolves when the last request has its answer. When the signal is aborted, what is left is cut. A server that does not
   * listen is closed already.
   */
  async close(signal: AbortSignal): Promise<void> {
    if (!this.#server.listening) return;
    const requests = this.#requests.count;
    this.leave();
    await this.#connections.ceased(this.#acceptMs, signal);
    const closed = new AbortController();
    // Closes the port alone: the method of the HTTP server closes idle connections too.
    NetServer.prototype.close.call(this.#server, () => closed.abort());
    this.#endEarlierThan(Number.POSITIVE_INFINITY);
    if (this.#requests.count > requests) await this.#requests.ceased(LINGER_MS, signal);
    const over = AbortSignal.any([closed.signal, signal]);
    while (!over.aborted) {
      this.#server.closeIdleConnections();
      for (const socket of this.#unused) if (socket.bytesRead === 0) socket.destroy();
      await sleep(IDLE_POLL_MS, over).catch(() => undefined);
      // A request that was received meanwhile makes its connection busy.
      await turn();
    }
    this.#server.closeAllConnections();
    // Ends what else the HTTP server does: it looks for requests that take too long.
    this.#server.close();
  }

  #begin(socket: Socket): Life {
    this.#connections.arrived();
    const beganMs = performance.now();
    const life = { beganMs, endsMs: beganMs + this.#maxAgeMs * (1 + AGE_SPREAD * (2 * Math.random() - 1)) };
    this.#lives.set(socket, life);
    this.#unused.add(socket);
    socket.once("close", () => this.#unused.delete(socket));
    return life;
  }

  #serve({ socket }: IncomingMessage, response: ServerResponse): void {
    this.#requests.arrived();
    const { beganMs, endsMs } = this.#lives.get(socket) ?? this.#begin(socket);
    this.#unused.delete(socket);
    this.#openAnswers.add(response);
    response.once("close", () => this.#openAnswers.delete(response));
    if (beganMs < this.#endBeforeMs || endsMs < performance.now()) response.setHeader("connection", "close");
  }

  #endEarlierThan(timeMs: number): void {
    this.#endBeforeMs = timeMs;
    for (const response of this.#openAnswers) {
      const beganMs = (response.socket && this.#lives.get(response.socket)?.beganMs) ?? timeMs;
      if (beganMs < timeMs && !response.headersSent) response.setHeader("connection", "close");
    }
  }
}
