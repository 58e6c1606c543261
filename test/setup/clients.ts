import {
  create,
  createRegistry,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import {
  type CallOptions,
  type ClientReadableStream,
  credentials,
  Client as GrpcJsClient,
  Metadata,
} from "@grpc/grpc-js";
import { file_google_rpc_error_details } from "@taskscheduler/proto";

/** In JSON an `Any` is read by its type: those that errors carry within an answer. */
const registry = createRegistry(file_google_rpc_error_details);

/** The Connect client over HTTP/1.1, in JSON unless told otherwise. */
export function connectClient<S extends DescService>(service: S, baseUrl: string, useBinaryFormat = false): Client<S> {
  return createClient(
    service,
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat, jsonOptions: { registry } }),
  );
}

export function grpcWebClient<S extends DescService>(service: S, baseUrl: string): Client<S> {
  return createClient(service, createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }));
}

type MethodOf<S extends DescService, N extends keyof S["method"]> = S["method"][N];
type InputOf<S extends DescService, N extends keyof S["method"]> = MessageInitShape<MethodOf<S, N>["input"]>;
type OutputOf<S extends DescService, N extends keyof S["method"]> = MessageShape<MethodOf<S, N>["output"]>;

/** grpc-js by a service's descriptor, as a stub of any other generator would use it. */
export interface GrpcClient<S extends DescService> {
  unary<N extends keyof S["method"] & string>(
    method: N,
    request: InputOf<S, N>,
    options?: CallOptions & { metadata?: Metadata },
  ): Promise<OutputOf<S, N>>;
  stream<N extends keyof S["method"] & string>(method: N, request: InputOf<S, N>): ClientReadableStream<OutputOf<S, N>>;
  close(): void;
}

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

export function grpcClient<S extends DescService>(service: S, address: string): GrpcClient<S> {
  const client = new GrpcJsClient(address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 500,
  });
  const codec = (name: string) => {
    const method = service.method[name];
    if (method === undefined) throw new Error(`no method ${name}`);
    return {
      path: `/${service.typeName}/${method.name}`,
      serialize: (message: object) => Buffer.from(toBinary(method.input, create(method.input, message as never))),
      deserialize: (bytes: Buffer) => fromBinary(method.output, bytes) as never,
    };
  };
  return {
    unary(name, request, { metadata = new Metadata(), ...options } = {}) {
      const { path, serialize, deserialize } = codec(name);
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(path, serialize, deserialize, request as object, metadata, options, (error, answer) =>
          error === null ? resolve(answer as never) : reject(error),
        );
      });
    },
    stream(name, request) {
      const { path, serialize, deserialize } = codec(name);
      return client.makeServerStreamRequest(path, serialize, deserialize, request as object) as never;
    },
    close: () => client.close(),
  };
}
