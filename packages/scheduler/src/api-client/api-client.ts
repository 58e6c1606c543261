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

/** Maximum wait of a stream for a connection. */
const streamConnectMs = 5_000;
/** The scheduler leaves an API that answers heartbeats when every claim and report has failed for this long. */
const longestFailureMs = 10_000;

export interface UnaryOptions {
  /** The call fails with UNAVAILABLE when no API is connected within this time, and with DEADLINE_EXCEEDED this long after it was sent. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

/**
 * The API, as the scheduler sees it. Every call throws `ApiError`. Calls go to the API that is connected. After a failure the
 * next call may go to another API.
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
 * A scheduler lives by its registration, its heartbeats and its feed: one failure of these leaves the API. One slow claim or
 * report says little about an API, so only a long run of failures leaves it.
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
      // The reader ends a silent feed itself, with an `ApiError`.
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
