import { systemErrorCode } from "./system-error.js";

/** An address that a server cannot listen on. Its message names the variable to change. */
export class PortError extends Error {
  override readonly name = "PortError";
  readonly variable: string;
  readonly host: string;
  readonly port: number;

  /** @param variable the variable that the port came from, such as `HTTP_PORT` */
  constructor(variable: string, host: string, port: number, cause: unknown) {
    super(`${variable}: cannot listen on ${host}:${port}: ${explain(cause)}`, { cause });
    this.variable = variable;
    this.host = host;
    this.port = port;
  }
}

function explain(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  // grpc-js has the code in its message alone.
  const code = systemErrorCode(cause) ?? text;
  if (code.includes("EADDRINUSE")) return "the port is taken; choose another or end what uses it";
  if (code.includes("EACCES")) return "this user may not use the port";
  if (code.includes("EADDRNOTAVAIL")) return "HOST is not an address of this machine";
  if (code.includes("ENOTFOUND") || code.includes("EAI_AGAIN")) return "HOST cannot be resolved";
  return text;
}
