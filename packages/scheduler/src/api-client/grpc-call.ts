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

export interface UnaryOptions {
  /** The call fails with DEADLINE_EXCEEDED after this. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

/** @throws ApiError */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: DescMethodUnary<I, O>,
  request: MessageShape<I>,
  { deadlineMs, signal }: UnaryOptions,
): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(ApiError.from(signal.reason));
    const cancel = (): void => call.cancel();
    const call = client.makeUnaryRequest(
      pathOf(method),
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      request,
      new Metadata(),
      { deadline: Date.now() + deadlineMs },
      (error, answer) => {
        signal?.removeEventListener("abort", cancel);
        if (error === null && answer !== undefined) resolve(answer);
        else reject(ApiError.from(error));
      },
    );
    signal?.addEventListener("abort", cancel, { once: true });
  });
}

/**
 * Yields what the server sends until it ends the stream. Leaving the loop or aborting the signal cancels the call.
 * @throws ApiError
 */
export async function* callServerStream<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: DescMethodServerStreaming<I, O>,
  request: MessageShape<I>,
  signal: AbortSignal,
): AsyncGenerator<MessageShape<O>, void, undefined> {
  if (signal.aborted) throw ApiError.from(signal.reason);
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
  signal.addEventListener("abort", cancel, { once: true });
  try {
    for await (const message of call as AsyncIterable<MessageShape<O>>) yield message;
  } catch (error) {
    throw ApiError.from(error);
  } finally {
    signal.removeEventListener("abort", cancel);
    call.cancel();
  }
}

function pathOf(method: DescMethodUnary | DescMethodServerStreaming): string {
  return `/${method.parent.typeName}/${method.name}`;
}
