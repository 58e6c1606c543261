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
/** A client that sent nothing for this long is unlikely to send something at the moment at which it is cut off. */
const IDLE_MS = 500;
const LOOK_MS = 50;

/** A connection that is open. */
interface Life {
  readonly beganMs: number;
  readonly endsMs: number;
  /** Requests that have come and are not answered. */
  readonly openAnswers: Set<ServerResponse>;
  /** Since when no request is open, and what had been received by then. */
  idleSinceMs: number;
  idleBytesRead: number;
}

/**
 * Ends the connections of an HTTP/1.1 server without failing a request.
 *
 * A client may send a request over a connection that is kept alive at any moment, also while the server closes it. So
 * connections are ended by answers that carry `Connection: close`. Only those that bring no request are closed without.
 *
 * The server is in one of three modes:
 * - serving: connections end by age, so that clients spread again over the servers that there are.
 * - accepting: the server is told to stop, and balancers may not know. Connections from before end with their next
 *   answer. New ones are served and kept, so that a client that comes back does not come back for each request.
 * - closing: the port is closed. Every connection ends with its next answer, or when it was idle for half a second.
 */
export class HttpConnections {
  readonly #server: Server;
  readonly #maxAgeMs: number;
  readonly #acceptMs: number;
  readonly #arrivals = new Arrivals();
  readonly #lives = new Map<Socket, Life>();
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
    this.leave();
    await this.#arrivals.ceased(this.#acceptMs, signal);
    const closed = new AbortController();
    // Closes the port alone: the method of the HTTP server closes idle connections too.
    NetServer.prototype.close.call(this.#server, () => closed.abort());
    this.#endEarlierThan(Number.POSITIVE_INFINITY);
    const over = AbortSignal.any([closed.signal, signal]);
    while (!over.aborted) {
      this.#closeIdle();
      await sleep(LOOK_MS, over).catch(() => undefined);
      // Timers come before what was received in the meantime.
      await turn();
    }
    this.#server.closeAllConnections();
    // Ends what else the HTTP server does: it looks for requests that take too long.
    this.#server.close();
  }

  #begin(socket: Socket): Life {
    this.#arrivals.arrived();
    const beganMs = performance.now();
    const endsMs = beganMs + this.#maxAgeMs * (1 + AGE_SPREAD * (2 * Math.random() - 1));
    const life = { beganMs, endsMs, openAnswers: new Set<ServerResponse>(), idleSinceMs: beganMs, idleBytesRead: 0 };
    this.#lives.set(socket, life);
    socket.once("close", () => this.#lives.delete(socket));
    return life;
  }

  #serve({ socket }: IncomingMessage, response: ServerResponse): void {
    const life = this.#lives.get(socket) ?? this.#begin(socket);
    life.openAnswers.add(response);
    response.once("close", () => {
      life.openAnswers.delete(response);
      life.idleSinceMs = performance.now();
      life.idleBytesRead = socket.bytesRead;
    });
    if (life.beganMs < this.#endBeforeMs || life.endsMs < performance.now()) response.setHeader("connection", "close");
  }

  #endEarlierThan(timeMs: number): void {
    this.#endBeforeMs = timeMs;
    for (const { beganMs, openAnswers } of this.#lives.values()) {
      if (beganMs >= timeMs) continue;
      for (const response of openAnswers) if (!response.headersSent) response.setHeader("connection", "close");
    }
  }

  #closeIdle(): void {
    const idleBeforeMs = performance.now() - IDLE_MS;
    for (const [socket, { openAnswers, idleSinceMs, idleBytesRead }] of this.#lives) {
      const isIdle = openAnswers.size === 0 && socket.bytesRead === idleBytesRead;
      if (isIdle && idleSinceMs < idleBeforeMs) socket.destroy();
    }
  }
}
