import { randomUUID } from "node:crypto";
import { isIPv6 } from "node:net";
import { promisify } from "node:util";
import type { ConnectError } from "@connectrpc/connect";
import { Server, ServerCredentials, type ServerOptions, setLogger } from "@grpc/grpc-js";
import { ServiceError } from "@taskscheduler/domain";
import { type Logger, type Part, PortError } from "@taskscheduler/runtime";
import { internalErrorOf } from "../policies/call-errors.js";
import { connectionAged } from "../policies/orderly-end.js";
import { connectErrorOf } from "../policies/service-errors.js";
import { ConnectionAges } from "./connection-ages.js";
import type { GrpcContext } from "./grpc-context.js";
import { addHealth } from "./grpc-health.js";
import { http2ServersOf } from "./grpc-http2.js";
import { grpcMethodsOf } from "./grpc-methods.js";
import { addReflection } from "./grpc-reflection.js";
import { GrpcSessions } from "./grpc-sessions.js";
import { grpcStatusOf } from "./grpc-status.js";
import { guardTimeouts } from "./grpc-timeout.js";
import { sendWindow } from "./grpc-window.js";
import { LibraryStreams } from "./library-streams.js";
import { maxMessageBytes } from "./message-size.js";
import type { ServedService } from "./served-service.js";
import { createTurnBudget } from "./turn-budget.js";

export interface GrpcServerOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly services: readonly ServedService[];
  /** What health says; asked when the server starts and every half second. */
  readonly isReady: () => boolean;
  /** Maximum age of a connection. Default: unlimited. */
  readonly maxConnectionAgeMs?: number;
  /** How long at most new connections are accepted after a stop. Default: 2 s. */
  readonly acceptMs?: number;
  readonly logger: Logger;
}

export interface GrpcServer extends Part {
  /** The port that is bound; before the start, the one that is asked for. */
  port(): number;
  /** Lets health say at once what `isReady` is going to say. */
  setServing(isServing: boolean): void;
}

const healthPollMs = 500;
/** Of all streams together: some milliseconds, in which no call, claim or heartbeat is looked at. */
const messagesPerTurn = 256;

const serverOptions: ServerOptions = {
  "grpc.max_concurrent_streams": 4_096,
  "grpc.max_receive_message_length": maxMessageBytes,
  "grpc.max_send_message_length": maxMessageBytes,
  // A watcher that vanished without a word is noticed within 40 s.
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 10_000,
};

const ACCEPT_MS = 2_000;
/** What the last answers have to leave the process. */
const answerMs = 500;

/**
 * gRPC by grpc-js, over HTTP/2 with prior knowledge, with health and reflection. Its start throws a `PortError` that names
 * `GRPC_PORT`. When it stops, streams end with UNAVAILABLE, so that their readers go elsewhere; unary calls may end by
 * themselves until the grace is over, and end with UNAVAILABLE then. When a connection reaches
 * its maximum age, its streams end with UNAVAILABLE, and its unary calls by themselves.
 */
export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  const { host, port, services, isReady, maxConnectionAgeMs, acceptMs = ACCEPT_MS, logger } = options;
  setLogger(libraryLogger(logger));
  const server = new Server({ ...serverOptions, interceptors: [sendWindow] });
  const openStreams = new Set<GrpcContext>();
  const openCalls = new Set<(error: ConnectError) => void>();
  let stopReason: ServiceError | undefined;
  const takeStep = createTurnBudget(messagesPerTurn);
  const ages =
    maxConnectionAgeMs === undefined ? undefined : new ConnectionAges({ maxAgeMs: maxConnectionAgeMs, onAged });
  for (const served of services) {
    const { definition, handlers } = grpcMethodsOf(served, {
      openStreams,
      openCalls,
      takeStep,
      stopReason: () => stopReason,
      hasAged: (peer) => ages?.hasAged(peer) === true,
      internalError: (error) => internalErrorOf(error, randomUUID(), logger),
    });
    server.addService(definition, handlers);
  }
  const libraryStreams = new LibraryStreams(server);
  const names = services.map(({ service }) => service.typeName);
  const health = addHealth(libraryStreams, names);
  addReflection(
    libraryStreams,
    services.map(({ service }) => service.file),
  );

  function onAged(peer: string): void {
    const reason = connectionAged();
    for (const context of openStreams) if (context.peer === peer) context.endSoon(reason);
    libraryStreams.end(grpcStatusOf(connectErrorOf(reason)), peer);
  }

  const sessions = new GrpcSessions();
  let boundPort = port;
  let polling: NodeJS.Timeout | undefined;
  return {
    name: "gRPC server",
    port: () => boundPort,
    setServing: health.setServing,
    async start() {
      boundPort = await bind(server, host, port);
      for (const each of http2ServersOf(server)) {
        guardTimeouts(each);
        each.on("session", (session) => ages?.follow(session));
      }
      sessions.follow(server);
      health.setServing(isReady());
      polling = setInterval(() => health.setServing(isReady()), healthPollMs);
      logger.info({ host, port: boundPort }, "gRPC is served");
    },
    async stop(signal) {
      clearInterval(polling);
      health.setServing(false);
      stopReason ??= new ServiceError("SHUTTING_DOWN", "this server is stopping; try again elsewhere");
      const stopError = connectErrorOf(stopReason);
      for (const context of openStreams) context.abort(stopReason);
      libraryStreams.end(grpcStatusOf(stopError));
      await sessions.leave(acceptMs, signal);
      await shutDown(server, signal, () => {
        for (const fail of openCalls) fail(stopError);
      });
    },
  };
}

/** What grpc-js has to say, which it would write to standard error; whatever matters reaches us as an error too. */
function libraryLogger(logger: Logger): Partial<Console> {
  const debug = (...message: unknown[]): void => logger.debug({ library: "grpc-js" }, message.map(String).join(" "));
  return { error: debug, info: debug, debug };
}

async function bind(server: Server, host: string, port: number): Promise<number> {
  const address = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  try {
    return await promisify(server.bindAsync.bind(server))(address, ServerCredentials.createInsecure());
  } catch (error) {
    throw new PortError("GRPC_PORT", host, port, error);
  }
}

/** Resolves when the last call has ended. When the grace is over, what has not is answered by `endCalls`, and then cut. */
function shutDown(server: Server, signal: AbortSignal, endCalls: () => void): Promise<void> {
  return new Promise((resolve) => {
    const cut = (): void => {
      endCalls();
      setTimeout(end, answerMs);
    };
    const end = (): void => {
      signal.removeEventListener("abort", cut);
      server.forceShutdown();
      resolve();
    };
    server.tryShutdown(end);
    if (signal.aborted) cut();
    else signal.addEventListener("abort", cut, { once: true });
  });
}
