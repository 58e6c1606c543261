import { once } from "node:events";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { BadRequestSchema, ErrorInfoSchema, TaskService } from "@taskscheduler/proto";
import {
  DEFECT,
  NOT_FOUND,
  startTransports,
  type TransportFixture,
  trickyMessage,
  until,
  WAITS,
} from "./transport-fixture.js";

let fixture: TransportFixture;
let sessions: Http2SessionManager;
const transports: Record<string, () => Transport> = {
  gRPC: () => createGrpcTransport({ baseUrl: sessions.authority, sessionManager: sessions }),
  "Connect, JSON": () => createConnectTransport({ ...http(), useBinaryFormat: false }),
  "Connect, binary": () => createConnectTransport({ ...http(), useBinaryFormat: true }),
  "Connect, GET": () => createConnectTransport({ ...http(), useHttpGet: true }),
  "gRPC-Web": () => createGrpcWebTransport(http()),
};
const http = () => ({ baseUrl: `http://127.0.0.1:${fixture.http.port()}`, httpVersion: "1.1" as const });

beforeAll(async () => {
  fixture = await startTransports();
  sessions = new Http2SessionManager(`http://127.0.0.1:${fixture.grpc.port()}`);
});
afterAll(async () => {
  sessions.abort();
  await fixture.stop();
});

async function errorOf(promise: Promise<unknown>): Promise<ConnectError> {
  return promise.then(
    () => {
      throw new Error("it succeeded");
    },
    (error: unknown) => ConnectError.from(error),
  );
}
const reasonsOf = (error: ConnectError): string[] => error.findDetails(ErrorInfoSchema).map(({ reason }) => reason);

describe.each(Object.keys(transports))("%s", (name) => {
  const client = () => createClient(TaskService, transports[name]!());

  it("calls a method with its headers", async () => {
    const { task } = await client().getTask({ id: 5 }, { headers: { "x-name": "the name" } });
    expect(task).toMatchObject({ id: 5, name: "the name" });
  });

  it("gives an error's code, reason and message to the letter", async () => {
    const error = await errorOf(client().getTask({ id: NOT_FOUND }));
    expect(error.code).toBe(Code.NotFound);
    expect(error.rawMessage).toBe(trickyMessage);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "TASK_NOT_FOUND", domain: "taskscheduler" }]);
  });

  it("judges a request by its proto and names each field", async () => {
    const labels = { key: "v".repeat(256) };
    const error = await errorOf(
      client().createTask({
        task: { name: "x".repeat(256), labels, cron: "* * * * *", rrule: "FREQ=DAILY" },
        requestId: "no",
      }),
    );
    expect(error.code).toBe(Code.InvalidArgument);
    expect(reasonsOf(error)).toEqual(["INVALID_FIELD"]);
    const fields = error
      .findDetails(BadRequestSchema)
      .flatMap((detail) => detail.fieldViolations.map(({ field }) => field));
    expect(fields.sort()).toEqual(["request_id", "task.labels", "task.name", "task.recurrence"]);
  });

  it("hides a defect behind an id that the log knows", async () => {
    const error = await errorOf(client().getTask({ id: DEFECT }, { headers: { "x-request-id": `${name.length}-id` } }));
    expect(error.code).toBe(Code.Internal);
    expect(reasonsOf(error)).toEqual(["INTERNAL"]);
    expect(JSON.stringify([error.rawMessage, error.details])).not.toMatch(/secret|\/var/);
    expect(error.rawMessage).toBe(`internal error (${name.length}-id)`);
    const lines = fixture.log.filter((line) => line.includes(`"correlationId":"${name.length}-id"`));
    expect(lines.join()).toContain("select secret");
  });

  it("logs each call, at the level debug, under its caller's id, or one of its own where that is none", async () => {
    const call = (requestId: string) => client().getTask({ id: 5 }, { headers: { "x-request-id": requestId } });
    await call(`${name.length}-call`);
    await call('a"b');
    const lines = fixture.log.map((line) => JSON.parse(line)).filter(({ msg }) => msg === "call");
    const given = lines.filter(({ requestId }) => requestId === `${name.length}-call`);
    expect(given).toMatchObject([{ level: "debug", method: "taskscheduler.v1.TaskService/GetTask" }]);
    expect(given[0].durationMs).toBeGreaterThanOrEqual(0);
    expect(lines.at(-1).requestId).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
  });

  it("says which methods are not implemented yet", async () => {
    const error = await errorOf(client().pauseTask({ id: 1 }));
    expect(error.code).toBe(Code.Unimplemented);
    expect(reasonsOf(error)).toEqual(["NOT_IMPLEMENTED_YET"]);
  });

  it("streams in order, to the end or to an error", async () => {
    const revisions: bigint[] = [];
    for await (const { revision } of client().watchTasks({ resumeToken: "count 300" })) revisions.push(revision);
    expect(revisions).toEqual(Array.from({ length: 300 }, (_, index) => BigInt(index)));

    let received = 0;
    const failing = (async () => {
      for await (const _ of client().watchTasks({ resumeToken: "fail 3" })) received++;
    })();
    const error = await errorOf(failing);
    expect([error.code, reasonsOf(error), received]).toEqual([Code.OutOfRange, ["RESUME_TOKEN_EXPIRED"], 3]);
  });

  it("judges a stream's request too", async () => {
    const stream = client().watchTasks({ resumeToken: "x".repeat(257) });
    const error = await errorOf(stream[Symbol.asyncIterator]().next());
    expect([error.code, reasonsOf(error)]).toEqual([Code.InvalidArgument, ["INVALID_FIELD"]]);
  });

  it("tells a method that its client has cancelled", async () => {
    const controller = new AbortController();
    const before = fixture.log.length;
    const calling = errorOf(client().getTask({ id: WAITS }, { signal: controller.signal, headers: { "x-name": "c" } }));
    await until(
      () => fixture.lastContext().requestHeader.get("x-name") === "c" && !fixture.lastContext().signal.aborted,
    );
    controller.abort();
    expect((await calling).code).toBe(Code.Canceled);
    await until(() => fixture.lastContext().signal.aborted);
    await until(() => fixture.log.slice(before).some((line) => line.includes(`"code":${Code.Canceled}`)));
  });

  it("ends a stream whose reader has gone, even one that listens to nothing", async () => {
    const controller = new AbortController();
    const stream = client().watchTasks({ resumeToken: "deaf 1" }, { signal: controller.signal });
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    const { signal } = fixture.lastContext();
    expect(signal.aborted).toBe(false);
    const aborted = once(signal, "abort");
    controller.abort();
    await aborted;
    expect((await errorOf(iterator.next())).code).toBe(Code.Canceled);
  });

  it("ends a call at its deadline", async () => {
    const error = await errorOf(client().getTask({ id: WAITS }, { timeoutMs: 50 }));
    expect(error.code).toBe(Code.DeadlineExceeded);
    await until(() => fixture.lastContext().signal.aborted);
  });

  it("asks a method for no more than its reader takes", async () => {
    const controller = new AbortController();
    const stream = client().watchTasks({ resumeToken: "endless" }, { signal: controller.signal });
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    let seen = -1;
    while (seen !== fixture.produced()) {
      seen = fixture.produced();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // Messages of 4 KiB: sockets and windows hold a few MiB of them.
    expect(seen).toBeLessThan(4000);
    controller.abort();
    await errorOf(iterator.next());
  });
});

it("counts the calls of all ports together", async () => {
  const metrics = await fixture.metrics();
  const count =
    /taskscheduler_api_calls_total\{service="taskscheduler.v1.TaskService",method="GetTask",code="NOT_FOUND"\} (\d+)/;
  expect(Number(count.exec(metrics)?.[1])).toBe(Object.keys(transports).length);
  expect(metrics).toMatch(/call_duration_seconds_count\{service="taskscheduler.v1.TaskService",method="GetTask"\}/);
});
