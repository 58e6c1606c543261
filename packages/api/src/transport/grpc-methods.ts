import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { ConnectError, type MethodImplSpec } from "@connectrpc/connect";
import type {
  handleServerStreamingCall,
  handleUnaryCall,
  MethodDefinition,
  ServerWritableStream,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { ServiceError } from "@taskscheduler/domain";
import { connectionAged } from "../policies/orderly-end.js";
import { connectErrorOf } from "../policies/service-errors.js";
import { GrpcContext } from "./grpc-context.js";
import { grpcStatusOf } from "./grpc-status.js";
import { type ServedService, specOf } from "./served-service.js";

/** What the methods share with their server. */
export interface GrpcCallHost {
  /** An open stream, from its beginning to its end, so that the server can end it. */
  readonly openStreams: Set<GrpcContext>;
  /** Of each unary call that has not been answered: answers it with an error. */
  readonly openCalls: Set<(error: ConnectError) => void>;
  /** Set when the server stops: why a stream that begins now is ended at once. */
  readonly stopReason: () => unknown;
  /** Whether the connection of a peer, `address:port`, has reached its maximum age. */
  readonly hasAged: (peer: string) => boolean;
  /** Of the turn's budget for the messages of all streams. */
  readonly takeStep: () => Promise<void> | undefined;
  /** What a caller is shown of an error that no policy has seen. */
  readonly internalError: (error: unknown) => ConnectError;
}

type Spec<K extends MethodImplSpec["kind"]> = Extract<MethodImplSpec, { kind: K }>;

export interface GrpcMethods {
  readonly definition: Record<string, MethodDefinition<Buffer, Buffer>>;
  readonly handlers: UntypedServiceImplementation;
}

/**
 * The methods of a service for grpc-js, which is left with bytes: requests and answers are parsed and written here, so
 * that what is malformed becomes an error with a reason.
 */
export function grpcMethodsOf(served: ServedService, host: GrpcCallHost): GrpcMethods {
  const definition: Record<string, MethodDefinition<Buffer, Buffer>> = {};
  const handlers: UntypedServiceImplementation = {};
  for (const spec of Object.values(specOf(served).methods)) {
    const { name, parent } = spec.method;
    definition[name] = {
      path: `/${parent.typeName}/${name}`,
      requestStream: false,
      responseStream: spec.kind === "server_streaming",
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
    if (spec.kind === "unary") handlers[name] = unaryHandler(spec, host);
    else if (spec.kind === "server_streaming") handlers[name] = serverStreamHandler(spec, host);
    else throw new Error(`${name}: clients that stream are not served`);
  }
  return { definition, handlers };
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

function unaryHandler({ method, impl }: Spec<"unary">, host: GrpcCallHost): handleUnaryCall<Buffer, Buffer> {
  return async (call, callback) => {
    const fail = (error: ConnectError): void => {
      if (host.openCalls.delete(fail)) callback(grpcStatusOf(error));
    };
    host.openCalls.add(fail);
    try {
      const request = parse(method.input, call.request);
      const context = new GrpcContext(method, call);
      const bytes = write(method.output, await impl(request, context));
      if (!host.openCalls.delete(fail)) return;
      context.sendHeader();
      context.answered();
      callback(null, bytes, context.trailer());
    } catch (error) {
      fail(error instanceof ConnectError ? error : host.internalError(error));
    }
  };
}

function serverStreamHandler(
  { method, impl }: Spec<"server_streaming">,
  host: GrpcCallHost,
): handleServerStreamingCall<Buffer, Buffer> {
  return async (call) => {
    const context = new GrpcContext(method, call);
    const send = pacedSender(call, context.signal, host.takeStep);
    host.openStreams.add(context);
    try {
      const stopReason = host.stopReason();
      if (stopReason !== undefined) context.abort(stopReason);
      if (host.hasAged(context.peer)) context.endSoon(connectionAged());
      for await (const message of impl(parse(method.input, call.request), context)) {
        context.sendHeader();
        await send(write(method.output, message));
      }
      call.end(context.trailer());
    } catch (error) {
      const shown = error instanceof ConnectError ? error : host.internalError(error);
      if (!call.destroyed) call.emit("error", grpcStatusOf(shown));
    } finally {
      host.openStreams.delete(context);
    }
  };
}

/**
 * Sends messages; each call resolves when the reader's window has room and the turn has room for one more, and also when
 * the reader has gone or the stream is to end. The library alone would hold 16 messages of each reader that does not read,
 * whatever their size.
 */
function pacedSender(
  call: ServerWritableStream<Buffer, Buffer>,
  signal: AbortSignal,
  takeStep: () => Promise<void> | undefined,
): (bytes: Buffer) => Promise<void> | undefined {
  let goOn = (): void => undefined;
  // Told of earlier messages too, after the window has closed behind them.
  const onWritten = (): void => {
    if (call.writableLength === 0) goOn();
  };
  call.on("close", () => goOn());
  signal.addEventListener("abort", () => goOn());
  return (bytes) => {
    call.write(bytes, onWritten);
    if (call.writableLength === 0 || signal.aborted || call.destroyed) return takeStep();
    return new Promise((resolve) => {
      goOn = resolve;
    });
  };
}

function parse<D extends DescMessage>(schema: D, bytes: Buffer): MessageShape<D> {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    const message = `the request is not a valid ${schema.typeName}`;
    throw connectErrorOf(new ServiceError("MALFORMED_REQUEST", message, { cause }));
  }
}

/** Of messages that many are sent, as watchers are: who makes one freezes it. */
const sharedBytes = new WeakMap<object, Buffer>();

function write<D extends DescMessage>(schema: D, message: MessageInitShape<D>): Buffer {
  if (!Object.isFrozen(message)) return encode(schema, message);
  const known = sharedBytes.get(message);
  if (known !== undefined) return known;
  const bytes = encode(schema, message);
  sharedBytes.set(message, bytes);
  return bytes;
}

function encode<D extends DescMessage>(schema: D, message: MessageInitShape<D>): Buffer {
  const bytes = toBinary(schema, create(schema, message));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
