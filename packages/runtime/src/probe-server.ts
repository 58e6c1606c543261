import { createServer } from "node:http";
import { HttpConnections } from "./http-connections.js";
import { listenHttp } from "./http-listener.js";
import type { Logger } from "./logger.js";
import type { Part } from "./part.js";
import { createProbeHandler, type ProbeHandlerOptions } from "./probe-handler.js";

export interface ProbeServerOptions extends ProbeHandlerOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly logger: Logger;
}

export interface ProbeServer extends Part {
  /** The port that is bound; before the start, the one that is asked for. */
  port(): number;
  /** To be called when the process begins to stop, long before this part does. */
  onStopping(): void;
}

/** An HTTP server with the probes and nothing else. Its start throws a `PortError` that names `HTTP_PORT`. */
export function createProbeServer({ host, port, logger, ...probes }: ProbeServerOptions): ProbeServer {
  const handle = createProbeHandler(probes);
  const server = createServer((request, response) => {
    if (handle(request, response)) return;
    request.resume();
    response.writeHead(404).end();
  });
  const connections = new HttpConnections(server);
  let boundPort = port;
  return {
    name: "probe server",
    port: () => boundPort,
    onStopping: () => connections.leave(),
    async start() {
      boundPort = await listenHttp(server, host, port, "HTTP_PORT");
      logger.info({ host, port: boundPort }, "probes and metrics are served");
    },
    stop: (signal) => connections.close(signal),
  };
}
