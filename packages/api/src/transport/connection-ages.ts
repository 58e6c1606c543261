import { constants, type ServerHttp2Session } from "node:http2";
import { jitteredAgeMs } from "../policies/orderly-end.js";
import { HIGHEST_STREAM_ID } from "./grpc-http2.js";

/** How long calls are still taken that were sent before the client had read the GOAWAY. */
const crossingMs = 1_000;

export interface ConnectionAgesOptions {
  readonly maxAgeMs: number;
  /** Streams on the connection of this peer, `address:port`, are to end. */
  readonly onAged: (peer: string) => void;
}

/**
 * Ends connections that have reached their age, so that clients spread again over the servers that there are.
 *
 * A connection is young, then aged, then gone. When it has aged, a GOAWAY asks its client to send further calls over
 * another one. Those that cross it are served for a second more, and refused after that, which gRPC's clients take for a
 * call that was never sent. Calls under way end by themselves, and then the connection is closed.
 */
export class ConnectionAges {
  readonly #options: ConnectionAgesOptions;
  readonly #aged = new Set<string>();

  constructor(options: ConnectionAgesOptions) {
    this.#options = options;
  }

  /** To be called when the connection is made. */
  follow(session: ServerHttp2Session): void {
    const peer = peerOf(session);
    const timer = setTimeout(() => this.#age(session, peer), jitteredAgeMs(this.#options.maxAgeMs)).unref();
    session.once("close", () => {
      clearTimeout(timer);
      this.#aged.delete(peer);
    });
  }

  hasAged(peer: string): boolean {
    return this.#aged.has(peer);
  }

  #age(session: ServerHttp2Session, peer: string): void {
    if (session.closed || session.destroyed) return;
    session.goaway(constants.NGHTTP2_NO_ERROR, HIGHEST_STREAM_ID);
    this.#aged.add(peer);
    this.#options.onAged(peer);
    setTimeout(() => session.close(), crossingMs).unref();
  }
}

/** As grpc-js writes it. */
function peerOf({ socket }: ServerHttp2Session): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}
