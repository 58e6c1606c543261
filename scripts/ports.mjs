import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below those that systems give to outgoing connections, any of which may take a port between its choice and its use. Each
 * of the processes that test side by side has a share of its own, and gives out none twice before all have been.
 */
const first = 20_000;
const shares = 4;
const share = 3_000;
const begin = first + (Number(process.env.JEST_WORKER_ID ?? 0) % shares) * share;
let next = Math.floor(Math.random() * share);

/** @returns {Promise<number>} a port that is free at this moment; a server bound to it later must bear that it no longer is */
export async function freePort(host = "127.0.0.1") {
  for (let tried = 0; tried < share; tried += 1) {
    const port = begin + (next % share);
    next += 1;
    if ((await portFault(port, host)) === undefined) return port;
  }
  throw new Error(`no port from ${begin} to ${begin + share - 1} is free`);
}

/** @returns {Promise<string | undefined>} why it cannot be bound (EADDRINUSE, EACCES, …), or undefined */
export async function portFault(port, host = "127.0.0.1") {
  const server = createServer();
  try {
    server.listen({ port, host, exclusive: true });
    await once(server, "listening");
  } catch (error) {
    return error.code;
  }
  server.close();
  await once(server, "close");
  return undefined;
}
