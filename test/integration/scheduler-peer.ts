import {
  create,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import {
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import {
  type ClaimExecutionsRequest,
  type ClaimExecutionsResponse,
  ErrorInfoSchema,
  type ExecutionReport,
  type HeartbeatRequest,
  type HeartbeatResponse,
  type RegisterRequest,
  type ReportExecutionsRequest,
  SchedulerService,
  StatusSchema,
  type SubscribeRequest,
  type SubscribeResponse,
  type SubscribeResponseSchema,
} from "@taskscheduler/proto";

type Init<T> = T extends DescMethodUnary<infer _I, infer O> ? MessageInitShape<O> : never;
type Methods = typeof SchedulerService.method;
type Stream = ServerWritableStream<SubscribeRequest, SubscribeResponse>;

/** Does what was asked, and loses the answer. */
export const lost = Symbol("lost");

type ClaimAnswer = Init<Methods["claimExecutions"]> | typeof lost;

/** The other process of the protocol, scripted: by default it grants everything on time and accepts every report. */
export class ScriptedApi {
  readonly registers: RegisterRequest[] = [];
  readonly beats: HeartbeatRequest[] = [];
  readonly claims: ClaimExecutionsRequest[] = [];
  readonly reports: { report: ExecutionReport; incarnation: number; receivedMs: number }[] = [];
  readonly streams: Stream[] = [];
  leaseMs = 5_000;
  incarnation = 0;
  /** Ahead of this machine's clock. */
  clockOffsetMs = 0;
  isDown = false;
  /** Answers no unary call. */
  isMute = false;

  onClaim: (request: ClaimExecutionsRequest) => ClaimAnswer | Promise<ClaimAnswer> = (request) => grantAll(request);
  onBeat: (request: HeartbeatRequest) => Init<Methods["heartbeat"]> = () => ({});
  onReport: (request: ReportExecutionsRequest) => boolean[] | typeof lost = ({ reports }) => reports.map(() => true);
  onSubscribe: (stream: Stream) => void = (stream) => this.window(stream);

  #server = new Server();
  #port = 0;

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  async start(): Promise<void> {
    this.#server = new Server();
    this.#server.addService(definition(), this.#handlers());
    this.#port = await new Promise((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${this.#port}`, ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  get stream(): Stream {
    return this.streams.at(-1)!;
  }

  send(event: MessageInitShape<typeof SubscribeResponseSchema>["event"], stream = this.stream): void {
    stream.write(create(SchedulerService.method.subscribe.output, { event: event! }));
  }

  window(stream = this.stream): void {
    this.send({ case: "window", value: { boundMs: BigInt(Date.now() + 60_000), revision: 1n, shards: [1] } }, stream);
  }

  due(...occurrences: { taskId: number; scheduledTimeMs: number; recorded?: boolean }[]): void {
    const value = occurrences.map((each) => ({ ...each, scheduledTimeMs: BigInt(each.scheduledTimeMs) }));
    this.send({ case: "due", value: { occurrences: value } });
  }

  cut(): void {
    this.stream.emit("error", { code: status.UNAVAILABLE, details: "cut" });
  }

  /** Ends the feed with UNAVAILABLE and a reason. */
  end(reason: string): void {
    this.stream.emit("error", errorOf(status.UNAVAILABLE, reason));
  }

  /** The current incarnation is dead: calls under it fail. */
  endIncarnation(): void {
    this.incarnation++;
  }

  #handlers(): UntypedServiceImplementation {
    const unary =
      <Q extends object, A>(
        handle: (request: Q) => A | typeof lost | Promise<A | typeof lost>,
      ): handleUnaryCall<Q, A> =>
      async (call, callback) => {
        if (this.isMute) return;
        if (this.isDown) return callback({ code: status.UNAVAILABLE, details: "down" });
        const incarnation = "incarnation" in call.request ? call.request.incarnation : this.incarnation;
        if (incarnation !== this.incarnation) return callback(errorOf(status.FAILED_PRECONDITION, "INCARNATION_ENDED"));
        const answer = await handle(call.request);
        if (answer === lost) callback({ code: status.UNAVAILABLE, details: "the answer was lost" });
        else callback(null, answer as A);
      };
    return {
      register: unary((request: RegisterRequest) => {
        this.registers.push(request);
        const { leaseMs, clockOffsetMs } = this;
        return { incarnation: ++this.incarnation, leaseMs, serverTimeMs: Date.now() + clockOffsetMs };
      }),
      heartbeat: unary((request: HeartbeatRequest) => {
        this.beats.push(request);
        return { serverTimeMs: Date.now() + this.clockOffsetMs, ...this.onBeat(request) } as HeartbeatResponse;
      }),
      claimExecutions: unary((request: ClaimExecutionsRequest) => {
        this.claims.push(request);
        return this.onClaim(request) as
          | ClaimExecutionsResponse
          | typeof lost
          | Promise<ClaimExecutionsResponse | typeof lost>;
      }),
      reportExecutions: unary((request: ReportExecutionsRequest) => {
        const { incarnation, reports } = request;
        for (const report of reports) this.reports.push({ report, incarnation, receivedMs: Date.now() });
        const accepted = this.onReport(request);
        return accepted === lost ? lost : { accepted };
      }),
      subscribe: (stream: Stream) => {
        if (stream.request.incarnation !== this.incarnation) {
          return stream.emit("error", errorOf(status.FAILED_PRECONDITION, "INCARNATION_ENDED"));
        }
        this.streams.push(stream);
        this.onSubscribe(stream);
      },
    } as unknown as UntypedServiceImplementation;
  }
}

export function grantAll({ occurrences }: ClaimExecutionsRequest): Init<Methods["claimExecutions"]> {
  return {
    results: occurrences.map(({ taskId, scheduledTimeMs }) => ({
      grant: { taskId, scheduledTimeMs, fence: 1, attempt: 1 },
    })),
  };
}

function errorOf(code: number, reason: string) {
  const info = create(ErrorInfoSchema, { domain: "taskscheduler", reason });
  const details = create(StatusSchema, { code, message: reason, details: [anyPack(ErrorInfoSchema, info)] });
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, details)));
  return { code, details: reason, metadata };
}

function definition(): ServiceDefinition {
  const entry = (method: DescMethodUnary | DescMethodServerStreaming) => ({
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: false,
    responseStream: method.methodKind === "server_streaming",
    requestSerialize: (message: MessageShape<typeof method.input>) => Buffer.from(toBinary(method.input, message)),
    requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
    responseSerialize: (message: object) =>
      Buffer.from(toBinary(method.output, create(method.output, message as MessageInitShape<typeof method.output>))),
    responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
  });
  return Object.fromEntries(
    Object.entries(SchedulerService.method).map(([name, method]) => [name, entry(method)]),
  ) as ServiceDefinition;
}
