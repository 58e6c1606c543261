import { constants, type ServerHttp2Session } from "node:http2";
import { jitteredAgeMs } from "../policies/orderly-end.js";
import { HIGHEST_STREAM_ID } from "./grpc-http2.js";

/** How long the server takes calls that the client sent before it read the GOAWAY. */
const crossingMs = 1_000;

export interface ConnectionAgesOptions {
  readonly maxAgeMs: number;
  /** Called once for each connection that reaches its age, with its peer, `address:port`: ends the streams. */
  readonly onAged: (peer: string) => void;
}

/**
 * Ends connections at a maximum age, so that clients spread over all servers, also those that were added.
 *
 * - young: takes calls;
 * - aged: a GOAWAY has asked the client to send its calls over a new connection. For a second more, the server takes calls
 *   that the client sent before it read the GOAWAY. After that it refuses them, and gRPC's clients send them again;
 * - closed: the last call under way has ended.
 */
export class ConnectionAges {
  readonly #options: ConnectionAgesOptions;
  readonly #aged = new Set<string>();

  constructor(options: ConnectionAgesOptions) {
    this.#options = options;
  }

  /** Begins the age of a connection. Call it when the client connects. */
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

/** `address:port`, as `getPeer` of grpc-js writes it. */
function peerOf({ socket }: ServerHttp2Session): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}
