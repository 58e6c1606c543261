import { once } from "node:events";
import type { Server } from "node:http";
import { PortError } from "./port-error.js";
import { sleep } from "./sleep.js";

/** How often a closing server looks for connections that have become idle. */
const idlePollMs = 50;

/**
 * @param variable the variable that the port came from, for the error
 * @returns the port that is bound
 * @throws PortError
 */
export async function listenHttp(server: Server, host: string, port: number, variable: string): Promise<number> {
  try {
    server.listen({ host, port });
    await once(server, "listening");
  } catch (error) {
    throw new PortError(variable, host, port, error);
  }
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

/**
 * Accepts no more connections, and resolves when the last request has its answer; connections that are kept alive are
 * closed as soon as they are idle. When the signal is aborted, what is left is cut. A server that does not listen is
 * closed already.
 */
export async function closeHttpServer(server: Server, signal: AbortSignal): Promise<void> {
  if (!server.listening) return;
  const closed = new AbortController();
  server.close(() => closed.abort());
  const over = AbortSignal.any([closed.signal, signal]);
  while (!over.aborted) {
    server.closeIdleConnections();
    await sleep(idlePollMs, over).catch(() => undefined);
  }
  server.closeAllConnections();
}
