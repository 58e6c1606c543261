import { once } from "node:events";
import { createServer } from "node:net";

/** Below those that systems give to outgoing connections, any of which may take a port between its choice and its use. */
const ports = { first: 20_000, count: 12_000 };
const tries = 100;

/** @returns {Promise<number>} a port that is free at this moment, at random; a server bound to it later must bear that it no longer is */
export async function freePort(host = "127.0.0.1") {
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const port = ports.first + Math.floor(Math.random() * ports.count);
    if ((await portFault(port, host)) === undefined) return port;
  }
  throw new Error(`no port from ${ports.first} to ${ports.first + ports.count - 1} is free`);
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
