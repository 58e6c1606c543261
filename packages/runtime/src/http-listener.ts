import { once } from "node:events";
import type { Server } from "node:http";
import { PortError } from "./port-error.js";

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
