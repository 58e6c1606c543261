import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope, type UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  endStreamFlag,
  endStreamFromJson,
  endStreamToJson,
  errorFromJsonBytes,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { findTrailerError, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerParse, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { fieldErrors } from "@taskscheduler/domain";
import { connectErrorOf, serviceErrorOf } from "../policies/service-errors.js";
import type { RequestFaults } from "./json-request.js";

type Bytes = Uint8Array<ArrayBufferLike>;

/** An envelope begins with its flags, one byte, and its length, four. */
const envelopeHeaderBytes = 5;
/** What Connect calls INTERNAL although the caller is to blame. */
const malformed = /^(parse binary: |received compressed envelope)/;

/**
 * A call that Connect refused before any method ran (malformed, too large) has no reason yet: its error is made anew with
 * one, and names the fields of JSON that are wrong. In a unary answer the error is the body; in gRPC-Web and in streams it
 * is in the envelope that ends the answer.
 */
export async function withReason(
  response: UniversalServerResponse,
  json?: RequestFaults,
): Promise<UniversalServerResponse> {
  const { header, body } = response;
  const contentType = header?.get("content-type") ?? "";
  if (body === undefined) return response;
  if (contentType.startsWith("application/grpc-web")) {
    return { ...response, body: withEnd(body, trailerFlag, trailerWithReason, json) };
  }
  if (contentType.startsWith("application/connect+")) {
    return { ...response, body: withEnd(body, endStreamFlag, endStreamWithReason, json) };
  }
  if (response.status < 400 || contentType !== "application/json" || header?.has("content-encoding")) return response;
  const chunks: Bytes[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const told = errorFromJsonBytes(bytes, undefined, new ConnectError("unreadable", Code.Internal));
  const error = await reasonedOf(told, json);
  if (error === undefined) return { ...response, body: once(bytes) };
  const shown = errorToJsonBytes(error, undefined);
  header?.set("content-length", String(shown.byteLength));
  const isMalformed = error.code === Code.InvalidArgument;
  return { ...response, status: isMalformed ? 400 : response.status, body: once(shown) };
}

/** Undefined: it has a reason already, or none that a caller can make sense of. */
async function reasonedOf(
  error: ConnectError | undefined,
  json: RequestFaults | undefined,
): Promise<ConnectError | undefined> {
  if (error === undefined || error.details.length > 0) return undefined;
  const isMalformed = error.code === Code.Internal && malformed.test(error.rawMessage);
  const judged = isMalformed ? new ConnectError(error.rawMessage, Code.InvalidArgument) : error;
  const faults = judged.code === Code.InvalidArgument ? await json?.faults() : undefined;
  const known = fieldErrors(faults ?? [], "MALFORMED_REQUEST") ?? serviceErrorOf(judged);
  return known === undefined ? undefined : connectErrorOf(known);
}

/** Each chunk is an envelope. One that is compressed has other flags, and stays as it is. */
async function* withEnd(
  body: AsyncIterable<Bytes>,
  flag: number,
  rewrite: (end: Bytes, json: RequestFaults | undefined) => Promise<Bytes>,
  json: RequestFaults | undefined,
): AsyncGenerator<Bytes> {
  for await (const chunk of body) {
    if (chunk[0] === flag) {
      yield encodeEnvelope(flag, await rewrite(chunk.subarray(envelopeHeaderBytes), json));
    } else {
      json?.forget();
      yield chunk;
    }
  }
}

async function trailerWithReason(end: Bytes, json: RequestFaults | undefined): Promise<Bytes> {
  const trailer = trailerParse(end);
  const error = await reasonedOf(findTrailerError(trailer), json);
  return error === undefined ? end : trailerSerialize(setTrailerStatus(trailer, error));
}

async function endStreamWithReason(end: Bytes, json: RequestFaults | undefined): Promise<Bytes> {
  const { metadata, error } = endStreamFromJson(end);
  const reasoned = await reasonedOf(error, json);
  if (reasoned === undefined) return end;
  return Buffer.from(JSON.stringify(endStreamToJson(metadata, reasoned, undefined)));
}

async function* once(bytes: Bytes): AsyncGenerator<Bytes> {
  yield bytes;
}
