import { setMaxListeners } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { ServiceError } from "@taskscheduler/domain";
import {
  createProbeHandler,
  HttpConnections,
  type Logger,
  listenHttp,
  type Part,
  type Readiness,
  type Registry,
} from "@taskscheduler/runtime";
import { createConnectHandler } from "./connect-handler.js";
import { createCrossOrigin } from "./cross-origin.js";
import { createDocs } from "./docs.js";
import { notFound, send } from "./http-answer.js";
import { createRest, type RestOptions } from "./rest.js";
import type { ServedService } from "./served-service.js";
import { createWelcome } from "./welcome.js";

export interface HttpServerOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Served over Connect and gRPC-Web. */
  readonly services: readonly ServedService[];
  /** What REST is mapped to. */
  readonly rest: Pick<RestOptions, "tasks" | "page" | "nowMs">;
  readonly readiness: Readiness;
  readonly registry: Registry;
  readonly corsOrigins: readonly string[];
  /** Maximum age of a stream, and of a connection: the next answer closes it. Default: 10 minutes for connections. */
  readonly maxConnectionAgeMs?: number;
  /** How long at most new connections are accepted after a stop. Default: 2 s. */
  readonly acceptMs?: number;
  readonly logger: Logger;
}

export interface HttpServer extends Part {
  /** The port that is bound; before the start, the one that is asked for. */
  port(): number;
}

/** Times for a request to arrive; answers may take as long as they like, for streams are answers. */
const serverOptions = {
  headersTimeout: 15_000,
  requestTimeout: 60_000,
  /** How often the two above are looked at: a request has up to this much longer. */
  connectionsCheckingInterval: 5_000,
  /** Longer than proxies keep theirs, so that none sends into a connection that closes. */
  keepAliveTimeout: 65_000,
  /** All headers of a request together; a larger one is 431. */
  maxHeaderSize: 16 * 1024,
};
/** A client that has its answer, and still sends its request, is cut after this: time to read the answer. */
const unreadRequestMs = 1_000;
/** Every open stream listens to the signal that stops them. */
const noListenerLimit = 0;

/**
 * Everything that speaks HTTP/1.1: probes, REST, documentation, Connect and gRPC-Web. Its start throws a `PortError` that
 * names `HTTP_PORT`. When it stops, streams end with UNAVAILABLE, new connections are served for a moment, and what
 * is in flight has the grace to end.
 */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { host, port, services, rest, readiness, registry, corsOrigins, maxConnectionAgeMs, acceptMs, logger } =
    options;
  const stopStreams = new AbortController();
  setMaxListeners(noListenerLimit, stopStreams.signal);
  const isCrossOrigin = createCrossOrigin(corsOrigins);
  const isProbe = createProbeHandler({ readiness, registry });
  const handlers = [
    createConnectHandler({ services, stopStreams: stopStreams.signal, maxConnectionAgeMs, logger }),
    createRest({ ...rest, logger }),
    createWelcome(),
    createDocs(),
  ];
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (isProbe(request, response) || isCrossOrigin(request, response)) return;
    const path = pathOf(request);
    if (!handlers.some((handler) => handler(request, response, path))) send(response, notFound);
  };
  const server = createServer(serverOptions, (request, response) => {
    response.once("finish", () => cutUnread(request));
    handle(request, response);
  });
  const connections = new HttpConnections(server, { maxAgeMs: maxConnectionAgeMs, acceptMs });
  let boundPort = port;
  return {
    name: "HTTP server",
    port: () => boundPort,
    async start() {
      boundPort = await listenHttp(server, host, port, "HTTP_PORT");
      logger.info({ host, port: boundPort }, "HTTP is served");
    },
    async stop(signal) {
      stopStreams.abort(new ServiceError("SHUTTING_DOWN", "this server is stopping; try again elsewhere"));
      await connections.close(signal);
    },
  };
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "").split("?", 1)[0] ?? "";
}

/** What is refused before it was read to its end (too large, nowhere) is not read on for as long as its sender likes. */
function cutUnread(request: IncomingMessage): void {
  if (request.complete) return;
  const cut = (): void => void (request.complete || request.destroy());
  setTimeout(cut, unreadRequestMs).unref();
}
