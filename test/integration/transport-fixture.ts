import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { ServiceError } from "@taskscheduler/domain";
import { SchedulerService, type Task, TaskSchema, TaskService } from "@taskscheduler/proto";
import { createLogger, createMetrics } from "@taskscheduler/runtime";
import { createCallMetrics } from "../../packages/api/src/policies/call-metrics.js";
import { createOutageLog } from "../../packages/api/src/policies/outage-log.js";
import { callsOf, type Policies, withPolicies } from "../../packages/api/src/policies/policies.js";
import { createRequestValidator } from "../../packages/api/src/policies/request-validator.js";
import { createGrpcServer, type GrpcServer } from "../../packages/api/src/transport/grpc-server.js";
import {
  createHttpServer,
  type HttpServer,
  type HttpServerOptions,
} from "../../packages/api/src/transport/http-server.js";

/** What a method does is said by the id or the resume token of the request. */
export const NOT_FOUND = 404;
export const DEFECT = 500;
export const WAITS = 600;
export const WAITS_FOR_RELEASE = 601;

/** 4 KiB that do not compress. */
const payload = randomBytes(3072).toString("base64");

export const trickyMessage = "no task: 50% of “x” at 10:30\n/a?b=c #1 ü";

/** Both ports with services that do no more than a transport's test needs: this is no product. */
export interface TransportFixture {
  readonly grpc: GrpcServer;
  readonly http: HttpServer;
  readonly rest: HttpServerOptions["rest"];
  readonly log: string[];
  /** How many messages an endless stream has been asked for. */
  produced(): number;
  /** The context of the call that was begun last. */
  lastContext(): HandlerContext;
  /** Resolves when a call of this method is the last that has begun. */
  begun(method: string): Promise<void>;
  release(): void;
  setReady(isReady: boolean): void;
  metrics(): Promise<string>;
  stop(): Promise<void>;
}

export interface TransportOptions extends Pick<Policies, "limits"> {
  readonly corsOrigins?: string[];
}

export async function startTransports(options: TransportOptions = {}): Promise<TransportFixture> {
  const log: string[] = [];
  const logger = createLogger({ name: "test", level: "debug", destination: { write: (line) => void log.push(line) } });
  const { registry } = createMetrics();
  const metrics = createCallMetrics(registry);
  const policies = { logger, metrics, validator: createRequestValidator(), outages: createOutageLog(logger) };
  let produced = 0;
  let last: HandlerContext | undefined;
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let ready = true;

  const impl: Partial<ServiceImpl<typeof TaskService>> = {
    async getTask({ id }, context) {
      last = context;
      if (id === NOT_FOUND) throw new ServiceError("TASK_NOT_FOUND", trickyMessage);
      if (id === DEFECT) throw new Error("select secret from /var/lib");
      if (id === WAITS) await once(context.signal, "abort").then(() => context.signal.throwIfAborted());
      if (id === WAITS_FOR_RELEASE) await released;
      return { task: { id, name: context.requestHeader.get("x-name") ?? "" } };
    },
    async createTask({ task }) {
      return { task: { ...task, id: 7 } as Task };
    },
    async *watchTasks({ resumeToken }, context) {
      last = context;
      const [kind, count = "Infinity"] = resumeToken.split(" ");
      for (let i = 0; i < Number(count); i++) {
        produced = i + 1;
        yield { revision: BigInt(i), event: { case: "upserted", value: { description: payload } } };
      }
      if (kind === "fail") throw new ServiceError("RESUME_TOKEN_EXPIRED", "too old");
      if (kind === "deaf") await new Promise(() => undefined);
      if (kind === "polite") await once(context.signal, "abort");
      if (kind === "held") await released;
    },
  };
  const { limits } = options;
  const limited = limits === undefined ? policies : { ...policies, limits };
  const tasks = withPolicies(TaskService, impl, limited);
  const asListTasks = callsOf(TaskService.method.listTasks, limited);
  const grpc = createGrpcServer({
    host: "127.0.0.1",
    port: 0,
    services: [
      { service: TaskService, impl: tasks },
      { service: SchedulerService, impl: withPolicies(SchedulerService, {}, policies) },
    ],
    isReady: () => ready,
    logger,
  });
  const rest: TransportFixture["rest"] = {
    tasks,
    nowMs: Date.now,
    page: (skip, limit, context) =>
      asListTasks(context, async () => {
        if (skip === 503) throw new ServiceError("DATABASE_UNAVAILABLE", "the database cannot be reached");
        return [create(TaskSchema, { id: skip, name: String(limit) })];
      }),
  };
  const http = createHttpServer({
    host: "127.0.0.1",
    port: 0,
    services: [{ service: TaskService, impl: tasks }],
    rest,
    readiness: () => (ready ? [] : ["a test says so"]),
    registry,
    corsOrigins: options.corsOrigins ?? [],
    logger,
  });
  const never = new AbortController().signal;
  await grpc.start(never);
  await http.start(never);
  return {
    grpc,
    http,
    rest,
    log,
    produced: () => produced,
    lastContext: () => {
      if (last === undefined) throw new ConnectError("no call has begun", Code.Internal);
      return last;
    },
    begun: (method) => until(() => last?.method.name === method),
    release: () => release(),
    setReady: (isReady) => {
      ready = isReady;
    },
    metrics: () => registry.metrics(),
    async stop() {
      await Promise.all([grpc.stop(AbortSignal.timeout(2000)), http.stop(AbortSignal.timeout(2000))]);
    },
  };
}

/** Resolves when the condition holds; the test's own limit bounds it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
