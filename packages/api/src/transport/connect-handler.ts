import type { IncomingMessage, ServerResponse } from "node:http";
import { createRegistry } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ContextValues,
  createConnectRouter,
  createContextValues,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { file_google_rpc_error_details } from "@taskscheduler/proto";
import type { Logger } from "@taskscheduler/runtime";
import { connectionAged, jitteredAgeMs, orderlyEnd } from "../policies/orderly-end.js";
import { settleTimeout } from "./call-timeout.js";
import { withReason } from "./connect-reasons.js";
import { type HttpAnswer, jsonAnswer, send } from "./http-answer.js";
import { keepJson } from "./json-request.js";
import { maxMessageBytes } from "./message-size.js";
import { type ServedService, specOf } from "./served-service.js";

export interface ConnectHandlerOptions {
  readonly services: readonly ServedService[];
  /** Aborted, with the error that they end with, when open streams are to end. */
  readonly stopStreams: AbortSignal;
  /** Maximum age of a stream. Default: unlimited. */
  readonly maxConnectionAgeMs?: number | undefined;
  readonly logger: Logger;
}

/**
 * A field that is misspelt is an error, not left out in silence. A batch's errors carry details, as calls' do. Connect's
 * own decoder is lenient: bytes that are no UTF-8 would become other characters, and be stored so. Its types leave the
 * option out, `createJsonSerialization` has it.
 */
const jsonOptions = {
  ignoreUnknownFields: false,
  registry: createRegistry(file_google_rpc_error_details),
  textDecoder: { decode: fromUtf8 },
};
const utf8 = new TextDecoder("utf-8", { fatal: true });

function fromUtf8(bytes?: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new ConnectError("the request is not UTF-8", Code.InvalidArgument, undefined, undefined, cause);
  }
}

/**
 * Connect and gRPC-Web. Returns false, and touches nothing, when the path is no method's.
 *
 * Connect's own adapter for Node throws out of the request listener on a malformed Host, which would end the process.
 */
export function createConnectHandler({
  services,
  stopStreams,
  maxConnectionAgeMs,
  logger,
}: ConnectHandlerOptions): (request: IncomingMessage, response: ServerResponse, path: string) => boolean {
  const router = createConnectRouter({
    grpc: false,
    // Node's brotli takes its time by default: seconds for a long list.
    acceptCompression: [compressionGzip],
    jsonOptions,
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: maxMessageBytes,
  });
  for (const served of services) addMethods(router, served, stopStreams);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response, path) => {
    const handler = handlers.get(path);
    if (handler === undefined) {
      const served = services.find(({ service }) => path.startsWith(`/${service.typeName}/`));
      if (served !== undefined) send(response, noSuchMethod(served));
      return served !== undefined;
    }
    const values = createContextValues();
    if (handler.method.methodKind !== "unary") {
      // The reader resumes over a new connection, which may lead to another API.
      response.shouldKeepAlive = false;
      if (maxConnectionAgeMs !== undefined) values.set(orderlyEnd, endOfAge(response, maxConnectionAgeMs));
    }
    answer(handler, request, response, values).catch((error: unknown) => {
      // The client has gone.
      if (ConnectError.from(error).code === Code.Aborted) return;
      logger.warn({ err: error, path }, "an answer could not be sent");
      response.destroy();
    });
    return true;
  };
}

/** Unary calls are not told of the stop: they have the grace to end by themselves. */
function addMethods(router: ConnectRouter, served: ServedService, stopStreams: AbortSignal): void {
  for (const { kind, method, impl } of Object.values(specOf(served).methods)) {
    router.rpc(method, impl, kind === "unary" ? {} : { shutdownSignal: stopStreams });
  }
}

/** A signal that is aborted when the answer reaches its maximum age. */
function endOfAge(response: ServerResponse, maxAgeMs: number): AbortSignal {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(connectionAged()), jitteredAgeMs(maxAgeMs)).unref();
  response.once("close", () => clearTimeout(timer));
  return ending.signal;
}

async function answer(
  handler: UniversalHandler,
  request: IncomingMessage,
  response: ServerResponse,
  values: ContextValues,
): Promise<void> {
  const universalRequest = toUniversalRequest(request, response, values);
  if (universalRequest === undefined) {
    send(response, jsonAnswer(400, { detail: "The request has no valid Host" }));
    return;
  }
  // Connect's adapter waits for "drain" alone, and none comes of a reader that vanished while it was behind: the stream would
  // never end.
  response.once("close", () => response.emit("drain"));
  const timeoutFault = settleTimeout(universalRequest.header);
  const json = keepJson(universalRequest, handler.method.input, maxMessageBytes);
  // Connect refuses a malformed timeout before it reads the request, so the request has no faults of its own to show.
  const faults = timeoutFault === undefined ? json : { faults: async () => [timeoutFault], forget: () => undefined };
  const answered = await handler(json?.request ?? universalRequest);
  const hint = answered.body === undefined ? hints.get(answered.status) : undefined;
  if (hint === undefined) await universalResponseToNodeResponse(await withReason(answered, faults), response);
  else send(response, jsonAnswer(answered.status, hint, Object.fromEntries(answered.header ?? [])));
}

/** What Connect answers without a word, and callers by hand do first. */
const hints: ReadonlyMap<number, { readonly code: string; readonly message: string }> = new Map([
  [405, { code: "unimplemented", message: "call methods by POST" }],
  [
    415,
    {
      code: "invalid_argument",
      message: "send content-type: application/json; for streams application/connect+json, in envelopes",
    },
  ],
]);

function noSuchMethod({ service }: ServedService): HttpAnswer {
  const names = service.methods.map((method) => method.name).join(", ");
  return jsonAnswer(404, { code: "unimplemented", message: `${service.typeName} has no such method; it has ${names}` });
}

function toUniversalRequest(request: IncomingMessage, response: ServerResponse, values: ContextValues) {
  try {
    return universalRequestFromNodeRequest(request, response, undefined, values);
  } catch {
    return undefined;
  }
}
