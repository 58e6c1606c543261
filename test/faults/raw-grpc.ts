import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";

export interface RawGrpcAnswer {
  /** `grpc-status`; undefined: none came. */
  readonly code: number | undefined;
  readonly message: string;
  readonly httpStatus: number;
  /** The code that the stream was reset with, 0 for none. */
  readonly resetCode: number;
}

export interface RawGrpcOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly withinMs: number;
}

/** A gRPC call whose frames are the caller's own; on a connection of its own. */
export async function callRaw(
  address: string,
  path: string,
  chunks: Iterable<Buffer>,
  { headers = {}, withinMs }: RawGrpcOptions,
): Promise<RawGrpcAnswer> {
  const session = connect(`http://${address}`);
  session.on("error", () => undefined);
  const timer = setTimeout(() => session.destroy(new Error(`no answer within ${withinMs} ms`)), withinMs);
  try {
    return await callOn(session, path, chunks, headers);
  } finally {
    clearTimeout(timer);
    session.destroy();
  }
}

/** A gRPC call whose frames are the caller's own; over a connection that others share. */
export function callOn(
  session: ClientHttp2Session,
  path: string,
  chunks: Iterable<Buffer>,
  headers: Readonly<Record<string, string>>,
): Promise<RawGrpcAnswer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    const answer: { code: number | undefined; message: string; httpStatus: number } = {
      ...{ code: undefined, message: "", httpStatus: 0 },
    };
    const read = (fields: IncomingHttpHeaders & { ":status"?: number }): void => {
      answer.httpStatus = fields[":status"] ?? answer.httpStatus;
      if (fields["grpc-status"] === undefined) return;
      answer.code = Number(fields["grpc-status"]);
      answer.message = decodeURIComponent(String(fields["grpc-message"] ?? ""));
    };
    const done = (): void => resolve({ ...answer, resetCode: stream.rstCode ?? 0 });
    stream.on("response", read);
    stream.on("trailers", read);
    stream.on("end", done);
    stream.on("error", () => undefined);
    stream.on("close", done);
    session.once("close", () => reject(new Error("the connection ended without an answer")));
    stream.resume();
    // Past what is buffered, the rest goes as the server takes it.
    void (async () => {
      for (const chunk of chunks) {
        if (stream.destroyed || stream.closed) return;
        if (!stream.write(chunk)) {
          await new Promise<void>((next) => {
            const go = (): void => {
              stream.off("drain", go).off("close", go);
              next();
            };
            stream.once("drain", go).once("close", go);
          });
        }
      }
      if (!stream.destroyed) stream.end();
    })();
  });
}
