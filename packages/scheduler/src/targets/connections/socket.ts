import { connect as connectTcp, isIP, type LookupFunction, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";

/** Time before the next of a name's addresses is tried. Node's own 250 ms give up on receivers that are far away. */
const ADDRESS_TIMEOUT_MS = 1_000;

/** Where a connection leads. */
export interface Endpoint {
  /** A name or an address; an IPv6 address is without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Connects to a name's addresses one after the other, of both families. */
export function openTcp({ host, port }: Endpoint, lookup: LookupFunction, signal: AbortSignal): Promise<Socket> {
  const socket = connectTcp({
    host,
    port,
    lookup,
    noDelay: true,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS,
  });
  return opened(socket, "connect", signal);
}

/** An application protocol, as TLS names it. */
export type Protocol = "http/1.1" | "h2";

export interface TlsOptions {
  readonly host: string;
  /** The best first. */
  readonly protocols: readonly Protocol[];
  /** A session of an earlier connection shortens the handshake. */
  readonly session: Buffer | undefined;
}

/** Secures an open connection. */
export function openTls(
  socket: Socket,
  { host, protocols, session }: TlsOptions,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const secured = connectTls({
    socket,
    host,
    // An address is no server name (RFC 6066).
    servername: isIP(host) === 0 ? host : "",
    ALPNProtocols: [...protocols],
    session,
    // By default NODE_TLS_REJECT_UNAUTHORIZED decides.
    rejectUnauthorized: true,
  });
  return opened(secured, "secureConnect", signal);
}

/** Aborting the signal destroys a socket that is not open yet. */
function opened<S extends Socket>(socket: S, event: "connect" | "secureConnect", signal: AbortSignal): Promise<S> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    socket.on("error", reject);
    socket.once("close", () => reject(new Error("the connection was closed")));
    socket.once(event, () => {
      signal.removeEventListener("abort", abort);
      resolve(socket);
    });
  });
}
