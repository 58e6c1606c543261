import { toBinary } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { Metadata, type ServerErrorResponse } from "@grpc/grpc-js";
import { StatusSchema } from "@taskscheduler/proto";
import { rpcStatusOf } from "../policies/rpc-status.js";

/** The error in gRPC's own shape: its details travel as a `google.rpc.Status` in the trailers. */
export function grpcStatusOf(error: ConnectError): ServerErrorResponse {
  const metadata = new Metadata();
  error.metadata.forEach((value, key) => {
    metadata.set(key, value);
  });
  if (error.details.length > 0) {
    metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, rpcStatusOf(error))));
  }
  return { name: error.name, message: error.rawMessage, code: Number(error.code), details: error.rawMessage, metadata };
}
