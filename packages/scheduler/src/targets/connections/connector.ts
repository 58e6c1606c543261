import { isIP, type LookupFunction, type Socket } from "node:net";
import type { AddressJudge } from "../address-judge.js";
import { blocked } from "../refusal.js";
import type { WebhookProxy } from "../webhook-proxy.js";
import { createGuardedLookup } from "./guarded-lookup.js";
import { type Endpoint, openTcp, openTls, type Protocol } from "./socket.js";
import { openTunnel } from "./tunnel.js";

/** Time for a connection to open: look-up, TCP, the proxy's answer and TLS. */
const CONNECT_TIMEOUT_MS = 10_000;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };
/** Names that mean this machine in every resolver (RFC 6761). */
const LOCALHOST = /(?:^|\.)localhost\.?$/i;
const LOOPBACK = "127.0.0.1";

export interface ConnectTarget {
  readonly origin: string;
  /** Protocols to offer over TLS, the best first. */
  readonly protocols: readonly Protocol[];
  /** A session of an earlier connection shortens the handshake. */
  readonly tlsSession: Buffer | undefined;
}

/** Opens a connection, encrypted where the origin says so. Aborting the signal closes what has been opened. */
export type Connect = (target: ConnectTarget, signal: AbortSignal) => Promise<Socket>;

export interface ConnectorOptions {
  readonly judge: AddressJudge;
  readonly lookup: LookupFunction;
  /** Undefined: connections are direct, whatever proxy the environment names. */
  readonly proxy: WebhookProxy | undefined;
}

/**
 * Opens connections to addresses that may be called, and to no others. Each address is judged where the connection is
 * made, with the very value that goes to the socket: a name cannot change its meaning between the check and the use.
 *
 * A proxy looks names up itself, so it has to judge what they mean; addresses are judged before the proxy is asked.
 */
export function createConnector({ judge, lookup, proxy }: ConnectorOptions): Connect {
  const guardedLookup = createGuardedLookup({ judge, lookup });
  return async ({ origin, protocols, tlsSession }, callSignal) => {
    const signal = AbortSignal.any([callSignal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
    const { protocol, endpoint } = endpointOf(origin);
    const address = addressOf(endpoint.host, proxy);
    const refusal = address === undefined ? undefined : judge(address);
    if (refusal !== undefined) throw blocked(refusal);
    const socket = await (proxy === undefined
      ? openTcp(endpoint, guardedLookup, signal)
      : openTunnel(proxy, endpoint, lookup, signal));
    if (protocol !== "https:") return socket;
    return openTls(socket, { host: endpoint.host, protocols, session: tlsSession }, signal);
  };
}

function endpointOf(origin: string): { readonly protocol: string; readonly endpoint: Endpoint } {
  const { protocol, hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return { protocol, endpoint: { host, port: port === "" ? (DEFAULT_PORTS[protocol] ?? 0) : Number(port) } };
}

/** The address that a host stands for without a look-up: Node looks no address up, and through a proxy no name. */
function addressOf(host: string, proxy: WebhookProxy | undefined): string | undefined {
  if (isIP(host) !== 0) return host;
  return proxy !== undefined && LOCALHOST.test(host) ? LOOPBACK : undefined;
}
