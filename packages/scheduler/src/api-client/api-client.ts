import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type ChannelOptions, Client, credentials } from "@grpc/grpc-js";
import {
  type ClaimExecutionsRequestSchema,
  type ClaimExecutionsResponse,
  type HeartbeatRequestSchema,
  type HeartbeatResponse,
  type RegisterRequestSchema,
  type RegisterResponse,
  type ReportExecutionsRequestSchema,
  type ReportExecutionsResponse,
  SchedulerService,
  type SubscribeRequestSchema,
  type SubscribeResponse,
} from "@taskscheduler/proto";
import { callServerStream, callUnary, type UnaryOptions } from "./grpc-call.js";

const maxMessageBytes = 64 * 1024 * 1024;

const channelOptions: ChannelOptions = {
  "grpc.max_receive_message_length": maxMessageBytes,
  "grpc.max_send_message_length": maxMessageBytes,
  // A peer that vanished without a word is noticed after the sum of the two.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.min_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // The callers try again themselves: they know what is still worth sending.
  "grpc.enable_retries": 0,
};

/** The API, as the scheduler sees it. Every call throws `ApiError`. */
export interface ApiClient {
  register(request: MessageInitShape<typeof RegisterRequestSchema>, options: UnaryOptions): Promise<RegisterResponse>;
  heartbeat(
    request: MessageInitShape<typeof HeartbeatRequestSchema>,
    options: UnaryOptions,
  ): Promise<HeartbeatResponse>;
  claimExecutions(
    request: MessageInitShape<typeof ClaimExecutionsRequestSchema>,
    options: UnaryOptions,
  ): Promise<ClaimExecutionsResponse>;
  reportExecutions(
    request: MessageInitShape<typeof ReportExecutionsRequestSchema>,
    options: UnaryOptions,
  ): Promise<ReportExecutionsResponse>;
  subscribe(
    request: MessageInitShape<typeof SubscribeRequestSchema>,
    signal: AbortSignal,
  ): AsyncIterable<SubscribeResponse>;
  /** Fails the calls that are in flight. */
  close(): void;
}

/** @param address `host:port` of the API's gRPC port. It connects with the first call, and again by itself. */
export function createApiClient(address: string): ApiClient {
  const client = new Client(address, credentials.createInsecure(), channelOptions);
  const { register, heartbeat, subscribe, claimExecutions, reportExecutions } = SchedulerService.method;
  return {
    register: (request, options) => callUnary(client, register, create(register.input, request), options),
    heartbeat: (request, options) => callUnary(client, heartbeat, create(heartbeat.input, request), options),
    claimExecutions: (request, options) =>
      callUnary(client, claimExecutions, create(claimExecutions.input, request), options),
    reportExecutions: (request, options) =>
      callUnary(client, reportExecutions, create(reportExecutions.input, request), options),
    subscribe: (request, signal) => callServerStream(client, subscribe, create(subscribe.input, request), signal),
    close: () => client.close(),
  };
}
