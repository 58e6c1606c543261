import { execFile } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Client, credentials, type ServiceError as GrpcError, status } from "@grpc/grpc-js";
import { ErrorInfoSchema, GetTaskRequestSchema, StatusSchema, WatchTasksRequestSchema } from "@taskscheduler/proto";
import { service as healthService } from "grpc-health-check";
import {
  NOT_FOUND,
  startTransports,
  type TransportFixture,
  trickyMessage,
  until,
  WAITS,
  WAITS_FOR_RELEASE,
} from "./transport-fixture.js";

let fixture: TransportFixture;
let client: Client;
const asIs = (bytes: Buffer): Buffer => bytes;
const never = new AbortController().signal;

beforeEach(async () => {
  fixture = await startTransports();
  client = new Client(`127.0.0.1:${fixture.grpc.port()}`, credentials.createInsecure());
});
afterEach(async () => {
  client.close();
  await fixture.stop();
});

function call(method: string, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/taskscheduler.v1.TaskService/${method}`,
      asIs,
      asIs,
      Buffer.from(bytes),
      (error, value) => (error === null ? resolve(value!) : reject(error)),
    );
  });
}
const getTask = (id: number): Promise<Buffer> =>
  call("GetTask", toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { id })));
const failure = (promise: Promise<unknown>): Promise<GrpcError> =>
  promise.then(
    () => Promise.reject(new Error("succeeded")),
    (error: GrpcError) => error,
  );

function watch(resumeToken: string) {
  const bytes = Buffer.from(toBinary(WatchTasksRequestSchema, create(WatchTasksRequestSchema, { resumeToken })));
  const stream = client.makeServerStreamRequest("/taskscheduler.v1.TaskService/WatchTasks", asIs, asIs, bytes);
  const ended = once(stream, "error").then(([error]) => error as GrpcError);
  return { stream, ended };
}

function reasonsOf(error: GrpcError): string[] {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  return fromBinary(StatusSchema, bytes as Buffer).details.flatMap(
    (any) => anyUnpack(any, ErrorInfoSchema)?.reason ?? [],
  );
}

const { Check, Watch } = { Check: healthService["Check"]!, Watch: healthService["Watch"]! };
function health(service: string): Promise<string> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      Check.path,
      Check.requestSerialize,
      Check.responseDeserialize,
      { service },
      (error, value) => (error === null ? resolve((value as { status: string }).status) : reject(error)),
    );
  });
}

describe("gRPC by grpc-js", () => {
  it("gives messages and details to a client of another make", async () => {
    const error = await failure(getTask(NOT_FOUND));
    expect([error.code, error.details, reasonsOf(error)]).toEqual([
      status.NOT_FOUND,
      trickyMessage,
      ["TASK_NOT_FOUND"],
    ]);
  });

  it("says that a message is malformed", async () => {
    const error = await failure(call("GetTask", Buffer.from([0x0a, 0xff])));
    expect([error.code, reasonsOf(error)]).toEqual([status.INVALID_ARGUMENT, ["MALFORMED_REQUEST"]]);
    expect((await failure(call("WatchTasks", Buffer.from([0xff])))).code).toBe(status.INVALID_ARGUMENT);
  });

  it("takes an empty message", async () => {
    expect((await failure(call("GetTask", Buffer.alloc(0)))).code).toBe(status.INVALID_ARGUMENT);
  });

  it("refuses a message beyond 16 MiB", async () => {
    expect((await failure(call("GetTask", Buffer.alloc(16 * 1024 * 1024 + 1)))).code).toBe(status.RESOURCE_EXHAUSTED);
  });

  it("keeps errors small enough for headers", async () => {
    const { create: make, toBinary: write } = await import("@bufbuild/protobuf");
    const { CreateTaskRequestSchema } = await import("@taskscheduler/proto");
    const labels = Object.fromEntries(
      Array.from({ length: 64 }, (_, index) => [`${"ü".repeat(60)} ${index}`, "x".repeat(256)]),
    );
    const request = make(CreateTaskRequestSchema, { task: { labels } });
    const error = await failure(call("CreateTask", write(CreateTaskRequestSchema, request)));
    expect([error.code, reasonsOf(error)]).toEqual([status.INVALID_ARGUMENT, ["INVALID_FIELD"]]);
  });

  it("names the variable of a taken port", async () => {
    const { createGrpcServer } = await import("../../packages/api/src/transport/grpc-server.js");
    const { createLogger } = await import("@taskscheduler/runtime");
    const logger = createLogger({ name: "test", level: "silent" });
    const port = fixture.grpc.port();
    const second = createGrpcServer({ host: "127.0.0.1", port, services: [], isReady: () => true, logger });
    await expect(second.start(never)).rejects.toThrow(
      `GRPC_PORT: cannot listen on 127.0.0.1:${port}: the port is taken`,
    );
    await second.stop(never);
  });
});

describe("health", () => {
  it("is of the server and of each service, and follows readiness", async () => {
    for (const name of ["", "taskscheduler.v1.TaskService", "taskscheduler.v1.SchedulerService"]) {
      expect(await health(name)).toBe("SERVING");
    }
    expect((await failure(health("nobody"))).code).toBe(status.NOT_FOUND);
    fixture.setReady(false);
    fixture.grpc.setServing(false);
    expect(await health("")).toBe("NOT_SERVING");
  });

  it("tells watchers before the server stops, and does not keep it from stopping", async () => {
    const stream = client.makeServerStreamRequest(Watch.path, Watch.requestSerialize, Watch.responseDeserialize, {
      service: "",
    });
    const seen: string[] = [];
    stream.on("data", ({ status: text }: { status: string }) => seen.push(text));
    const ended = once(stream, "error");
    await until(() => seen.length === 1);
    await fixture.grpc.stop(never);
    await ended;
    expect(seen).toEqual(["SERVING", "NOT_SERVING"]);
  });
});

describe("reflection", () => {
  const buf = async (...parameters: string[]): Promise<string> => {
    const url = `http://127.0.0.1:${fixture.grpc.port()}`;
    const { stdout } = await promisify(execFile)("node_modules/.bin/buf", [
      "curl",
      "--http2-prior-knowledge",
      "--protocol",
      "grpc",
      url,
      ...parameters,
    ]);
    return stdout;
  };

  it.each(["grpc-v1", "grpc-v1alpha"])("tells of every service, itself included, by %s", async (protocol) => {
    const services = await buf("--list-services", "--reflect-protocol", protocol);
    expect(services.trim().split("\n").sort()).toEqual([
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "taskscheduler.v1.SchedulerService",
      "taskscheduler.v1.TaskService",
    ]);
  });

  it("is enough for a call", async () => {
    const url = `http://127.0.0.1:${fixture.grpc.port()}/taskscheduler.v1.TaskService/GetTask`;
    const { stdout } = await promisify(execFile)("node_modules/.bin/buf", [
      ...["curl", "--http2-prior-knowledge", "--protocol", "grpc", "-d", '{"id":5}', url],
    ]);
    expect(JSON.parse(stdout)).toEqual({ task: { id: 5 } });
  });
});

describe("stop", () => {
  it("ends streams with UNAVAILABLE and lets unary calls end", async () => {
    const watchers = ["deaf 1", "polite 1"].map(watch);
    await Promise.all(watchers.map(({ stream }) => once(stream, "data")));
    const unary = getTask(WAITS_FOR_RELEASE);
    await fixture.begun("GetTask");
    const stopped = fixture.grpc.stop(never);
    for (const error of await Promise.all(watchers.map(({ ended }) => ended))) {
      expect([error.code, reasonsOf(error)]).toEqual([status.UNAVAILABLE, ["SHUTTING_DOWN"]]);
    }
    fixture.release();
    await unary;
    await stopped;
  });

  it("cuts what is left when the grace is over", async () => {
    const unary = failure(getTask(WAITS));
    await fixture.begun("GetTask");
    await fixture.grpc.stop(AbortSignal.timeout(100));
    expect([status.UNAVAILABLE, status.CANCELLED]).toContain((await unary).code);
    await until(() => fixture.lastContext().signal.aborted);
  });

  it("ends a stream whose reader does not read", async () => {
    const { stream, ended } = watch("endless");
    await once(stream, "data");
    stream.pause();
    await until(() => fixture.produced() > 20);
    await fixture.grpc.stop(AbortSignal.timeout(500));
    stream.resume();
    await ended;
  });

  it("may be called twice, and without a start", async () => {
    await fixture.grpc.stop(never);
    await fixture.grpc.stop(never);
  });
});
