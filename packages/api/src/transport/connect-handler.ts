import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createRegistry } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { errorFromJsonBytes, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { file_google_rpc_error_details } from "@taskscheduler/proto";
import type { Logger } from "@taskscheduler/runtime";
import { connectErrorOf, serviceErrorOf } from "../policies/service-errors.js";
import { jsonAnswer, send } from "./http-answer.js";
import { type ServedService, specOf } from "./served-service.js";

export interface ConnectHandlerOptions {
  readonly services: readonly ServedService[];
  /** Aborted, with the error that they end with, when open streams are to end. */
  readonly stopStreams: AbortSignal;
  readonly logger: Logger;
}

const maxMessageBytes = 16 * 1024 * 1024;

/**
 * Connect and gRPC-Web. Returns false, and touches nothing, when the path is no method's.
 *
 * Connect's own adapter for Node throws out of the request listener on a malformed Host, which would end the process.
 */
export function createConnectHandler({
  services,
  stopStreams,
  logger,
}: ConnectHandlerOptions): (request: IncomingMessage, response: ServerResponse, path: string) => boolean {
  const router = createConnectRouter({
    grpc: false,
    // Node's brotli takes its time by default: seconds for a long list.
    acceptCompression: [compressionGzip],
    // A field that is misspelt is an error, not left out in silence. A batch's errors carry details, as calls' do.
    jsonOptions: { ignoreUnknownFields: false, registry: createRegistry(file_google_rpc_error_details) },
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: maxMessageBytes,
  });
  for (const served of services) addMethods(router, served, stopStreams);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response, path) => {
    const handler = handlers.get(path);
    if (handler === undefined) return false;
    answer(handler, request, response).catch((error: unknown) => {
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

async function answer(handler: UniversalHandler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const universalRequest = toUniversalRequest(request, response);
  if (universalRequest === undefined) {
    send(response, jsonAnswer(400, { detail: "The request has no valid Host" }));
    return;
  }
  await universalResponseToNodeResponse(await withReason(await handler(universalRequest)), response);
}

function toUniversalRequest(request: IncomingMessage, response: ServerResponse) {
  try {
    return universalRequestFromNodeRequest(request, response, undefined, undefined);
  } catch {
    return undefined;
  }
}

/**
 * A unary call that Connect refused before any method ran (malformed JSON, too large) has no reason yet: its answer is
 * made anew with one. Answers of gRPC-Web and of streams stay as they are, with the code alone.
 */
async function withReason(response: UniversalServerResponse): Promise<UniversalServerResponse> {
  const { header, body } = response;
  if (response.status < 400 || header?.get("content-type") !== "application/json") return response;
  if (header.has("content-encoding") || body === undefined) return response;
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const error = errorFromJsonBytes(bytes, undefined, new ConnectError("unreadable", Code.Internal));
  const known = error.details.length === 0 ? serviceErrorOf(error) : undefined;
  const shown = known === undefined ? bytes : errorToJsonBytes(connectErrorOf(known), undefined);
  header.set("content-length", String(shown.byteLength));
  return { ...response, body: once(shown) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
