import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
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
import { ApiError, causeToLeave } from "./api-error.js";
import type { Endpoints } from "./endpoints.js";
import { callServerStream, callUnary } from "./grpc-call.js";

/** How long a stream waits for a connection. */
const streamConnectMs = 5_000;
/** An API at which every claim and report has failed for as long is left, although it answers heartbeats. */
const longestFailureMs = 10_000;

export interface UnaryOptions {
  /** The call fails with DEADLINE_EXCEEDED after this, and with UNAVAILABLE where no API is connected within as much. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

/**
 * The API, as the scheduler sees it. Every call throws `ApiError`. Each goes to the API that is connected; one that fails
 * may have the next go to another.
 */
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

/**
 * A scheduler lives by its registration, its heartbeats and its feed: the first of these that fails has the next call go
 * to another API. Of claims and reports it is only a long run of failures, for one may be slow at a healthy API.
 */
export function createApiClient(endpoints: Endpoints): ApiClient {
  async function unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    init: MessageInitShape<I>,
    { deadlineMs, signal }: UnaryOptions,
    isVital: boolean,
  ): Promise<MessageShape<O>> {
    const given = signal === undefined ? [] : [signal];
    const request = create(method.input, init);
    const connection = await endpoints.connection({ deadlineMs, signals: given });
    try {
      const answer = await connection.unary((client, cut) =>
        callUnary(client, method, { request, signals: [...given, cut] }, deadlineMs),
      );
      if (isVital) endpoints.served(connection);
      else connection.succeeded();
      return answer;
    } catch (error) {
      if (signal?.aborted === true) throw error;
      const cause = causeToLeave(error);
      const isUnbearable = isVital || cause !== "unfit" || connection.failed() >= longestFailureMs;
      if (cause !== undefined && isUnbearable) endpoints.leave(connection, cause);
      throw error;
    }
  }

  async function* subscribe(
    init: MessageInitShape<typeof SubscribeRequestSchema>,
    signal: AbortSignal,
  ): AsyncGenerator<SubscribeResponse, void, undefined> {
    const method = SchedulerService.method.subscribe;
    const request = create(method.input, init);
    const connection = await endpoints.connection({ deadlineMs: streamConnectMs, signals: [signal] });
    try {
      yield* connection.stream((client, cut) => callServerStream(client, method, { request, signals: [signal, cut] }));
    } catch (error) {
      // A feed that was silent for too long is ended by its reader, with an `ApiError`.
      const isWanted = !signal.aborted || signal.reason instanceof ApiError;
      const cause = causeToLeave(error);
      if (isWanted && cause !== undefined) endpoints.leave(connection, cause);
      throw error;
    }
  }

  const { register, heartbeat, claimExecutions, reportExecutions } = SchedulerService.method;
  return {
    register: (request, options) => unary(register, request, options, true),
    heartbeat: (request, options) => unary(heartbeat, request, options, true),
    claimExecutions: (request, options) => unary(claimExecutions, request, options, false),
    reportExecutions: (request, options) => unary(reportExecutions, request, options, false),
    subscribe,
    close: () => endpoints.close(),
  };
}
