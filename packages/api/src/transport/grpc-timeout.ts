import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { ServiceError } from "@taskscheduler/domain";
import { connectErrorOf } from "../policies/service-errors.js";
import { readGrpcTimeout, timeoutError } from "./call-timeout.js";
import { grpcStatusOf } from "./grpc-status.js";

type StreamListener = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, ...rest: unknown[]) => void;

/**
 * Judges the timeouts of calls before grpc-js sees them. The library cuts a timeout to 32 bits of milliseconds, so that 25
 * days become any other time. It also reads a timeout out of malformed text, or answers INTERNAL.
 */
export function guardTimeouts(server: Http2Server): void {
  const listeners = server.listeners("stream") as StreamListener[];
  server.removeAllListeners("stream");
  const onStream: StreamListener = (stream, headers, ...rest) => {
    const text = headers["grpc-timeout"];
    if (text !== undefined) {
      const timeout = readGrpcTimeout(String(text));
      if (timeout.kind === "malformed") return refuse(stream, timeoutError(timeout.violation));
      if (timeout.kind === "endless") delete headers["grpc-timeout"];
    }
    for (const listener of listeners) listener.call(server, stream, headers, ...rest);
  };
  server.on("stream", onStream);
}

function refuse(stream: ServerHttp2Stream, error: ServiceError): void {
  const { code, metadata } = grpcStatusOf(connectErrorOf(error));
  stream.on("error", () => undefined);
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc+proto",
      "grpc-status": code,
      "grpc-message": encodeURI(error.message),
      ...metadata?.toHttp2Headers(),
    },
    { endStream: true },
  );
  stream.resume();
}
