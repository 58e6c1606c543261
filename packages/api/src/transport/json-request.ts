import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import type { FieldViolation } from "@taskscheduler/domain";
import { mayHoldImpossibleTime } from "./impossible-times.js";
import { jsonFaults } from "./json-faults.js";

/** Finds the faults of a request that Connect refused. Connect's own errors name no field. */
export interface RequestFaults {
  /** What is wrong with it, field by field. */
  faults(): Promise<readonly FieldViolation[]>;
  /** It was readable. */
  forget(): void;
}

/** A request in JSON, kept until it is known that Connect could read it. */
export interface JsonRequest extends RequestFaults {
  /** To be handed to Connect. */
  readonly request: UniversalServerRequest;
}

const jsonType = /^application\/(json|connect\+json|grpc-web\+json)\b/i;
/** Of an envelope: flags, one byte, and a length of four. */
const envelopeHeaderBytes = 5;

/** Keeps no more of a request than `maxBytes`, and holds what Connect holds as well. Undefined: it is not in JSON. */
export function keepJson(
  request: UniversalServerRequest,
  input: DescMessage,
  maxBytes: number,
): JsonRequest | undefined {
  const isQuery = request.method === "GET";
  if (!isQuery && !jsonType.test(request.header.get("content-type") ?? "")) return undefined;
  let kept: Uint8Array[] = [];
  let bytesLeft = maxBytes;

  /** The last chunk is handed on once the whole has been looked at: Connect would read an impossible day as another. */
  async function* keeping(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let last: Uint8Array | undefined;
    for await (const chunk of body) {
      bytesLeft -= chunk.byteLength;
      if (bytesLeft >= 0) kept.push(chunk);
      if (last !== undefined) yield last;
      last = chunk;
    }
    if (await holdsFault()) throw new ConnectError("a time is none", Code.InvalidArgument);
    if (last !== undefined) yield last;
  }

  async function holdsFault(): Promise<boolean> {
    const text = await textSent().catch(() => undefined);
    return text !== undefined && mayHoldImpossibleTime(text) && jsonFaults(input, text).length > 0;
  }

  function textSent(): Promise<string> {
    return textOf(isQuery ? sentInQuery(request) : sentInBody(request, Buffer.concat(kept)), maxBytes);
  }

  const { body } = request;
  const isStream = typeof body === "object" && body !== null && Symbol.asyncIterator in body;
  return {
    request: isStream ? { ...request, body: keeping(body as AsyncIterable<Uint8Array>) } : request,
    async faults() {
      const text = await textSent().catch(() => undefined);
      return text === undefined ? [] : jsonFaults(input, text);
    },
    forget() {
      kept = [];
    },
  };
}

interface Sent {
  readonly bytes: Buffer;
  readonly compression: string | null;
}

function sentInQuery({ url }: UniversalServerRequest): Sent {
  const query = new URL(url).searchParams;
  const encoding = query.get("base64") === "1" ? "base64url" : "utf8";
  return { bytes: Buffer.from(query.get("message") ?? "", encoding), compression: query.get("compression") };
}

/** A stream's and gRPC-Web's message is in an envelope; no method takes more than one. */
function sentInBody({ header }: UniversalServerRequest, body: Buffer): Sent {
  if (/^application\/json/i.test(header.get("content-type") ?? "")) {
    return { bytes: body, compression: header.get("content-encoding") };
  }
  const flags = body[0] ?? 0;
  const bytes = body.subarray(envelopeHeaderBytes);
  return { bytes, compression: (flags & 1) === 1 ? "gzip" : null };
}

async function textOf({ bytes, compression }: Sent, maxOutputLength: number): Promise<string> {
  const inflated = compression === "gzip" ? await promisify(gunzip)(bytes, { maxOutputLength }) : bytes;
  return inflated.toString();
}
