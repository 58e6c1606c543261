import { request as startRequest } from "node:http";
import { isIPv6, type LookupFunction, type Socket } from "node:net";
import type { WebhookProxy } from "../webhook-proxy.js";
import { type Endpoint, openTcp } from "./socket.js";

/** The proxy failed, not the receiver. The message names neither the proxy's address nor its password. */
export class ProxyError extends Error {
  override readonly name = "ProxyError";
}

/** Has a proxy connect to an endpoint (RFC 9110, section 9.3.6). Aborting the signal closes what has been opened. */
export async function openTunnel(
  proxy: WebhookProxy,
  endpoint: Endpoint,
  lookup: LookupFunction,
  signal: AbortSignal,
): Promise<Socket> {
  try {
    const socket = await openTcp(proxy, lookup, signal);
    return await connectThrough(socket, proxy, endpoint, signal);
  } catch (error) {
    throw signal.aborted ? signal.reason : new ProxyError(reasonOf(error), { cause: error });
  }
}

function connectThrough(
  socket: Socket,
  { authorization }: WebhookProxy,
  { host, port }: Endpoint,
  signal: AbortSignal,
): Promise<Socket> {
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const credentials = authorization === "" ? [] : ["proxy-authorization", authorization];
  const request = startRequest({
    method: "CONNECT",
    path: authority,
    headers: ["host", authority, ...credentials],
    createConnection: () => socket,
  });
  return new Promise((resolve, reject) => {
    const abort = (): void => void socket.destroy();
    signal.addEventListener("abort", abort, { once: true });
    request.on("error", reject);
    request.on("close", () => signal.removeEventListener("abort", abort));
    request.on("connect", ({ statusCode = 0 }, _, head) => {
      signal.removeEventListener("abort", abort);
      if (statusCode >= 200 && statusCode < 300) {
        socket.unshift(head);
        resolve(socket);
      } else {
        socket.destroy();
        reject(new ProxyError(`it answered CONNECT with HTTP ${statusCode}`));
      }
    });
    request.end();
  });
}

/** Node's messages name the proxy's address, which users need not know. */
function reasonOf(error: unknown): string {
  if (error instanceof ProxyError) return error.message;
  if (typeof error !== "object" || error === null || !("code" in error)) return "it closed the connection";
  return String(error.code);
}
