import { once } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { Metadata } from "@grpc/grpc-js";
import { GetTaskRequestSchema, TaskService, WatchTasksRequestSchema } from "@taskscheduler/proto";
import { callRaw } from "../faults/raw-grpc.js";
import { envelope, requestHead, sendRaw } from "../faults/raw-http.js";
import { connectClient, grpcClient, grpcWebClient } from "../setup/clients.js";
import { faultOf } from "./api-fixture.js";
import { startTransports, type TransportFixture, WAITS, WAITS_FOR_RELEASE } from "./transport-fixture.js";

/** 30 days, and the most that each header can say: no timer of Node holds them. */
const GRPC_TIMEOUTS = ["720H", "1194H", "99999999H", "99999999S"];
const CONNECT_TIMEOUTS = ["2147483648", "2592000000", "9999999999"];
const WITHIN_MS = 10_000;
const [OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED] = [0, 3, 4];

const service = "/taskscheduler.v1.TaskService";
const getTask = (id: number) => envelope(toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { id })));
const watchTasks = (resumeToken: string) =>
  envelope(toBinary(WatchTasksRequestSchema, create(WatchTasksRequestSchema, { resumeToken })));

let fixture: TransportFixture;
let address: string;
let port: number;

beforeAll(async () => {
  fixture = await startTransports();
  address = `127.0.0.1:${fixture.grpc.port()}`;
  port = fixture.http.port();
});
afterAll(() => fixture?.stop());

const grpc = (method: string, body: Buffer, timeout: string) =>
  callRaw(address, `${service}/${method}`, [body], { headers: { "grpc-timeout": timeout }, withinMs: WITHIN_MS });

function http(method: string, contentType: string, body: Buffer, timeout: Readonly<Record<string, string>>) {
  const headers = { "Content-Type": contentType, "Content-Length": String(body.length), ...timeout };
  const head = requestHead("POST", `${service}/${method}`, headers);
  return sendRaw(port, head, { body: [body], withinMs: WITHIN_MS });
}

const overGrpc = async (method: string, body: Buffer, timeout: string) =>
  `grpc-status: ${(await grpc(method, body, timeout)).code}`;
const overGrpcWeb = async (method: string, body: Buffer, timeout: string) =>
  (await http(method, "application/grpc-web+proto", body, { "grpc-timeout": timeout })).text;
const overConnect = async (method: string, contentType: string, request: object, timeout: string) => {
  const body = Buffer.from(JSON.stringify(request));
  const sent = contentType.startsWith("application/connect") ? envelope(body) : body;
  return (await http(method, contentType, sent, { "Connect-Timeout-Ms": timeout })).text;
};
const CONNECT_UNARY = "application/json";
const CONNECT_STREAM = "application/connect+json";

it("a timeout that no timer can hold is none: calls and streams go on after a shorter one is over", async () => {
  const calls = [
    ...GRPC_TIMEOUTS.flatMap((timeout) =>
      [overGrpc, overGrpcWeb].flatMap((send) => [
        { answer: send("GetTask", getTask(WAITS_FOR_RELEASE), timeout), right: "grpc-status: 0" },
        { answer: send("WatchTasks", watchTasks("held 1"), timeout), right: "grpc-status: 0" },
      ]),
    ),
    ...CONNECT_TIMEOUTS.flatMap((timeout) => [
      { answer: overConnect("GetTask", CONNECT_UNARY, { id: WAITS_FOR_RELEASE }, timeout), right: '"id":601' },
      // A stream's last message holds no error.
      { answer: overConnect("WatchTasks", CONNECT_STREAM, { resumeToken: "held 1" }, timeout), right: "\0\0\0\x02{}" },
    ]),
  ];
  const settled = jest.fn();
  for (const { answer } of calls) void answer.then(settled, settled);
  expect(await grpc("GetTask", getTask(WAITS), "300m")).toMatchObject({ code: DEADLINE_EXCEEDED });
  expect(settled).not.toHaveBeenCalled();
  fixture.release();
  for (const { answer, right } of calls) expect(await answer).toContain(right);
});

describe("a timeout that a timer can hold", () => {
  it("ends the call, over every protocol", async () => {
    expect(await grpc("GetTask", getTask(WAITS), "100m")).toMatchObject({ code: DEADLINE_EXCEEDED });
    const over = { timeoutMs: 100 };
    const url = `http://127.0.0.1:${port}`;
    for (const client of [connectClient(TaskService, url), grpcWebClient(TaskService, url)]) {
      expect(await faultOf(client.getTask({ id: WAITS }, over))).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    }
  });
});

describe("a timeout of another form is refused by its name", () => {
  it.each(["30", "30s", "-1S", "123456789S", "S", "30S30S"])("over gRPC: %s", async (timeout) => {
    const form = "grpc-timeout: must be up to 8 digits and a unit, one of H, M, S, m, u and n, such as 30S";
    for (const [method, body] of [
      ["GetTask", getTask(5)],
      ["WatchTasks", watchTasks("some 3")],
    ] as const) {
      expect(await grpc(method, body, timeout)).toMatchObject({ code: INVALID_ARGUMENT, message: form });
    }
    const client = grpcClient(TaskService, address);
    const metadata = new Metadata();
    metadata.set("grpc-timeout", timeout);
    const fault = await faultOf(client.unary("getTask", { id: 5 }, { metadata }));
    expect(fault).toMatchObject({ reason: "MALFORMED_REQUEST", fields: ["grpc-timeout"] });
    client.close();
  });

  it("over Connect and gRPC-Web", async () => {
    const form = "connect-timeout-ms: must be up to 10 digits, such as 30000";
    const unary = JSON.parse(await overConnect("GetTask", CONNECT_UNARY, { id: 5 }, "30S"));
    expect(unary).toMatchObject({ code: "invalid_argument", message: form });
    const stream = await overConnect("WatchTasks", CONNECT_STREAM, { resumeToken: "some 3" }, "-1");
    expect(stream).toContain(`"code":"invalid_argument","message":"${form}"`);
    expect(await overGrpcWeb("GetTask", getTask(5), "30")).toMatch(/grpc-message: grpc-timeout%3A.*grpc-status: 3/s);
  });

  it("and leaves the server whole", async () => {
    const { stream, ended } = watching();
    await once(stream, "data");
    await grpc("GetTask", getTask(5), "soon");
    stream.cancel();
    await ended;
    expect(await grpc("GetTask", getTask(5), "5S")).toMatchObject({ code: OK });
  });
});

function watching() {
  const client = grpcClient(TaskService, address);
  const stream = client.stream("watchTasks", { resumeToken: "deaf 1" });
  const ended = once(stream, "error").finally(() => client.close());
  return { stream, ended };
}
