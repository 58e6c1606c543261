import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { Metadata, type ServerUnaryCall, type ServerWritableStream } from "@grpc/grpc-js";
import { orderlyEnd } from "../policies/orderly-end.js";

export type GrpcCall = ServerUnaryCall<Buffer, Buffer> | ServerWritableStream<Buffer, Buffer>;

/** A deadline's timer may fire this much before the clock says so. */
const timerSlackMs = 5;

/**
 * What a method is told of a gRPC call. Most methods ask for little of it, and making headers and signals costs as much
 * as the rest of a call: so each is made when it is first asked for.
 */
export class GrpcContext implements HandlerContext {
  readonly service: DescService;
  readonly method: DescMethod;
  readonly requestMethod = "POST";
  readonly protocolName = "grpc";
  readonly #call: GrpcCall;
  #controller: AbortController | undefined;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #values: ContextValues | undefined;
  #ending: AbortController | undefined;
  #isAnswered = false;

  constructor(method: DescMethod, call: GrpcCall) {
    this.service = method.parent;
    this.method = method;
    this.#call = call;
  }

  /** Aborted when the client cancels or goes away, when the deadline passes, and by `abort`. */
  get signal(): AbortSignal {
    return this.#abortController().signal;
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= headersOf(this.#call.metadata);
    return this.#requestHeader;
  }

  get responseHeader(): Headers {
    this.#responseHeader ??= new Headers();
    return this.#responseHeader;
  }

  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers();
    return this.#responseTrailer;
  }

  get values(): ContextValues {
    this.#values ??= createContextValues().set(orderlyEnd, this.#orderlyEnd().signal);
    return this.#values;
  }

  /** The client's end of the connection, `address:port`. */
  get peer(): string {
    return this.#call.getPeer();
  }

  get url(): string {
    return `http://${this.#call.getHost()}${this.#call.getPath()}`;
  }

  timeoutMs = (): number | undefined => {
    const deadlineMs = Number(this.#call.getDeadline());
    return Number.isFinite(deadlineMs) ? deadlineMs - Date.now() : undefined;
  };

  abort(reason: unknown): void {
    this.#abortController().abort(reason);
  }

  /** Asks the method for an orderly end. */
  endSoon(reason: unknown): void {
    this.#orderlyEnd().abort(reason);
  }

  /** The library calls every call cancelled once it has ended. To be told of that, with an error, costs as much as the call. */
  answered(): void {
    this.#isAnswered = true;
  }

  /** Sends the headers that the method has set, if any: before the first message. */
  sendHeader(): void {
    if (this.#responseHeader !== undefined) this.#call.sendMetadata(metadataOf(this.#responseHeader));
    this.#responseHeader = undefined;
  }

  /** The trailers that the method has set, if any. */
  trailer(): Metadata | undefined {
    return this.#responseTrailer === undefined ? undefined : metadataOf(this.#responseTrailer);
  }

  #orderlyEnd(): AbortController {
    this.#ending ??= new AbortController();
    return this.#ending;
  }

  #abortController(): AbortController {
    if (this.#controller !== undefined) return this.#controller;
    const controller = new AbortController();
    this.#controller = controller;
    const cancel = (): void => {
      if (!this.#isAnswered) controller.abort(this.#cancelReason());
    };
    if (this.#call.cancelled) cancel();
    else this.#call.once("cancelled", cancel);
    return controller;
  }

  #cancelReason(): ConnectError {
    const timeoutMs = this.timeoutMs();
    return timeoutMs !== undefined && timeoutMs <= timerSlackMs
      ? new ConnectError("the deadline has passed", Code.DeadlineExceeded)
      : new ConnectError("the call was cancelled", Code.Canceled);
  }
}

/** Without binary values: no method of ours takes any. */
function headersOf(metadata: Metadata): Headers {
  const headers = new Headers();
  for (const [key, value] of Object.entries(metadata.getMap())) {
    if (typeof value === "string") headers.set(key, value);
  }
  return headers;
}

function metadataOf(headers: Headers): Metadata {
  const metadata = new Metadata();
  headers.forEach((value, key) => {
    metadata.set(key, value);
  });
  return metadata;
}
