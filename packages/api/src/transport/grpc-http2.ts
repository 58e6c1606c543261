import type { Http2Server } from "node:http2";
import type { Server } from "@grpc/grpc-js";

/** A GOAWAY that names the highest stream refuses no call. */
export const HIGHEST_STREAM_ID = 2 ** 31 - 1;

/**
 * The HTTP/2 servers under a server of grpc-js that is bound. The library has no public way to them. Its version is
 * pinned; this throws where another version keeps them elsewhere.
 */
export function http2ServersOf(server: Server): readonly Http2Server[] {
  const servers: unknown = Reflect.get(server, "http2Servers");
  const found = servers instanceof Map ? [...servers.keys()] : [];
  if (found.length === 0) throw new Error("this version of grpc-js keeps its HTTP/2 servers elsewhere");
  return found;
}
