import {
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Client, Metadata } from "@grpc/grpc-js";
import { ApiError } from "./api-error.js";

export interface GrpcCall<I extends DescMessage> {
  readonly request: MessageShape<I>;
  /** Aborting any of these cancels the call. The call fails with the abort's reason if the reason is an `ApiError`. */
  readonly signals: readonly AbortSignal[];
}

/** @param deadlineMs the call fails with DEADLINE_EXCEEDED after this. @throws ApiError */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: DescMethodUnary<I, O>,
  { request, signals }: GrpcCall<I>,
  deadlineMs: number,
): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    const aborted = signals.find((signal) => signal.aborted);
    if (aborted !== undefined) return reject(ApiError.from(aborted.reason));
    const cancel = (): void => call.cancel();
    const call = client.makeUnaryRequest(
      pathOf(method),
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      request,
      new Metadata(),
      { deadline: Date.now() + deadlineMs },
      (error, answer) => {
        for (const signal of signals) signal.removeEventListener("abort", cancel);
        if (error === null && answer !== undefined) resolve(answer);
        else reject(failureOf(error, signals));
      },
    );
    for (const signal of signals) signal.addEventListener("abort", cancel, { once: true });
  });
}

/**
 * Yields what the server sends until it ends the stream. Leaving the loop or aborting a signal cancels the call.
 * @throws ApiError
 */
export async function* callServerStream<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: DescMethodServerStreaming<I, O>,
  { request, signals }: GrpcCall<I>,
): AsyncGenerator<MessageShape<O>, void, undefined> {
  const aborted = signals.find((signal) => signal.aborted);
  if (aborted !== undefined) throw ApiError.from(aborted.reason);
  const call = client.makeServerStreamRequest(
    pathOf(method),
    (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
    (bytes: Buffer) => fromBinary(method.output, bytes),
    request,
    new Metadata(),
  );
  // A cancelled call says so once more when nobody listens.
  call.on("error", () => undefined);
  const cancel = (): void => call.cancel();
  for (const signal of signals) signal.addEventListener("abort", cancel, { once: true });
  try {
    for await (const message of call as AsyncIterable<MessageShape<O>>) yield message;
  } catch (error) {
    throw failureOf(error, signals);
  } finally {
    for (const signal of signals) signal.removeEventListener("abort", cancel);
    call.cancel();
  }
}

function failureOf(error: unknown, signals: readonly AbortSignal[]): ApiError {
  const reasons: unknown[] = signals.filter((signal) => signal.aborted).map((signal) => signal.reason);
  return reasons.find((reason) => reason instanceof ApiError) ?? ApiError.from(error);
}

function pathOf(method: DescMethodUnary | DescMethodServerStreaming): string {
  return `/${method.parent.typeName}/${method.name}`;
}
