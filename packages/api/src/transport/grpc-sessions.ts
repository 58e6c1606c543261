import { constants, type Http2Server, type ServerHttp2Session } from "node:http2";
import { Server as NetServer } from "node:net";
import type { Server } from "@grpc/grpc-js";
import { Arrivals, sleep } from "@taskscheduler/runtime";
import { HIGHEST_STREAM_ID, http2ServersOf } from "./grpc-http2.js";

/** A client that does not answer a ping within this time has gone, or is too busy to send calls. */
const PING_MS = 500;

/**
 * The connections of a gRPC server, and how they end without failing a call.
 *
 * A server that closes a connection refuses the calls that cross its message. So it says first that it will take no more
 * calls, and closes when the client has answered a ping that follows: by then the client sends calls elsewhere.
 */
export class GrpcSessions {
  readonly #arrivals = new Arrivals();
  readonly #open = new Set<ServerHttp2Session>();
  #servers: readonly Http2Server[] = [];

  /** @param server is bound */
  follow(server: Server): void {
    this.#servers = http2ServersOf(server);
    for (const each of this.#servers) each.on("session", (session) => this.#begin(session));
  }

  /**
   * Sends clients away. New connections are accepted as long as they arrive, at most for a time, since balancers may not
   * know yet. Resolves when the port is closed and clients send no more calls. Calls in flight go on.
   */
  async leave(acceptMs: number, signal: AbortSignal): Promise<void> {
    if (this.#servers.length === 0) return;
    void this.#retireAll();
    await this.#arrivals.ceased(acceptMs, signal);
    // Closes the port alone: the method of the HTTP/2 server may close sessions too.
    for (const server of this.#servers) NetServer.prototype.close.call(server);
    const done = new AbortController();
    const late = sleep(PING_MS, AbortSignal.any([signal, done.signal])).catch(() => undefined);
    await Promise.race([this.#retireAll(), late]);
    done.abort();
  }

  #begin(session: ServerHttp2Session): void {
    this.#arrivals.arrived();
    this.#open.add(session);
    session.once("close", () => this.#open.delete(session));
  }

  async #retireAll(): Promise<void> {
    const sessions = [...this.#open];
    this.#open.clear();
    await Promise.all(sessions.map(retire));
  }
}

function retire(session: ServerHttp2Session): Promise<void> {
  return new Promise((resolve) => {
    const close = (): void => {
      session.close();
      resolve();
    };
    if (session.closed || session.destroyed) return resolve();
    session.goaway(constants.NGHTTP2_NO_ERROR, HIGHEST_STREAM_ID);
    if (!session.ping(close)) close();
  });
}
