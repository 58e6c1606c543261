import { constants, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { Server } from "@grpc/grpc-js";
import { jitteredAgeMs } from "../policies/orderly-end.js";

/** A GOAWAY with the highest stream id says that no call was refused. */
const highestStreamId = 2 ** 31 - 1;
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
    session.goaway(constants.NGHTTP2_NO_ERROR, highestStreamId);
    this.#aged.add(peer);
    this.#options.onAged(peer);
    setTimeout(() => session.close(), crossingMs).unref();
  }
}

/** As grpc-js writes it. */
function peerOf({ socket }: ServerHttp2Session): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}

/**
 * The HTTP/2 servers under a server of grpc-js that is bound. The library has no public way to them. Its version is
 * pinned, and this throws where another keeps them elsewhere.
 */
export function http2ServersOf(server: Server): readonly Http2Server[] {
  const servers: unknown = Reflect.get(server, "http2Servers");
  const found = servers instanceof Map ? [...servers.keys()] : [];
  if (found.length === 0) throw new Error("this version of grpc-js keeps its HTTP/2 servers elsewhere");
  return found;
}
