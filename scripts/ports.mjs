import { once } from "node:events";
import { createServer } from "node:net";

/** @returns {Promise<number>} a port that is free at this moment; a server bound to it later must bear that it no longer is */
export async function freePort(host = "127.0.0.1") {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
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
