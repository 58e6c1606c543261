import type { LookupFunction, Socket } from "node:net";
import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { AddressJudge } from "../address-judge.js";
import { blocked } from "../refusal.js";
import { createGuardedLookup } from "./guarded-lookup.js";

/** Time for a connection to open: look-up, TCP and TLS. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Time before the next of a name's addresses is tried. Node's own 250 ms give up on receivers that are far away. */
const ADDRESS_TIMEOUT_MS = 1_000;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

/** An application protocol, as TLS names it. */
export type Protocol = "http/1.1" | "h2";

export interface ConnectTarget {
  readonly origin: string;
  /** Protocols to offer over TLS, the best first. */
  readonly protocols: readonly Protocol[];
  /** A session of an earlier connection: the handshake is shorter. */
  readonly tlsSession: Buffer | undefined;
}

/** Opens a connection, encrypted where the origin says so. Aborting the signal closes what has been opened. */
export type Connect = (target: ConnectTarget, signal: AbortSignal) => Promise<Socket | TLSSocket>;

export interface ConnectorOptions {
  readonly judge: AddressJudge;
  readonly lookup: LookupFunction;
}

/** Where a connection leads. */
export interface Endpoint {
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
}

/**
 * Opens connections to addresses that may be called, and to no others. Each address is judged where the connection is
 * made, with the very value that goes to the socket: a name cannot change its meaning between the check and the use.
 *
 * No proxy of the environment is asked: it would connect unjudged.
 */
export function createConnector({ judge, lookup }: ConnectorOptions): Connect {
  const guardedLookup = createGuardedLookup({ judge, lookup });
  return async ({ origin, protocols, tlsSession }, callSignal) => {
    const signal = AbortSignal.any([callSignal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
    const { protocol, endpoint } = endpointOf(origin);
    // Node looks no address up that is written as one.
    const refusal = isIP(endpoint.host) === 0 ? undefined : judge(endpoint.host);
    if (refusal !== undefined) throw blocked(refusal);
    const socket = await openTcp(endpoint, guardedLookup, signal);
    return protocol === "https:" ? openTls(socket, { host: endpoint.host, protocols, tlsSession }, signal) : socket;
  };
}

function endpointOf(origin: string): { readonly protocol: string; readonly endpoint: Endpoint } {
  const { protocol, hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return { protocol, endpoint: { host, port: port === "" ? (DEFAULT_PORTS[protocol] ?? 0) : Number(port) } };
}

/** Tries a name's addresses one after the other, in both families. */
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

interface TlsOptions {
  readonly host: string;
  readonly protocols: readonly Protocol[];
  readonly tlsSession: Buffer | undefined;
}

function openTls(socket: Socket, { host, protocols, tlsSession }: TlsOptions, signal: AbortSignal): Promise<TLSSocket> {
  const secured = connectTls({
    socket,
    host,
    // An address is no server name (RFC 6066).
    servername: isIP(host) === 0 ? host : "",
    ALPNProtocols: [...protocols],
    session: tlsSession,
    // Otherwise NODE_TLS_REJECT_UNAUTHORIZED decides.
    rejectUnauthorized: true,
  });
  return opened(secured, "secureConnect", signal);
}

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
