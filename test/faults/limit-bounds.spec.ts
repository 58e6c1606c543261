import { create, toBinary } from "@bufbuild/protobuf";
import { CreateTaskRequestSchema, TaskService } from "@taskscheduler/proto";
import { type ApiFixture, at, startApiFixture } from "../integration/api-fixture.js";
import { callRaw } from "./raw-grpc.js";
import { envelope, requestHead, sendRaw } from "./raw-http.js";

/** What is as large as its limit is served, and what is a byte larger is refused. */

const MESSAGE_BYTES = 16 * 1024 * 1024;
const REST_BYTES = 1024 * 1024;
const PIECE_BYTES = 64 * 1024;
/** Names, and whatever else a client sends beside the header that is tried. */
const OTHER_HEADERS_BYTES = 1024;
const HTTP_HEADERS_BYTES = 16 * 1024;
const GRPC_HEADERS_BYTES = 64 * 1024;
/** Room for a busy machine. */
const WITHIN_MS = 20_000;
const OK = 0;
const RESOURCE_EXHAUSTED = 8;

const CREATE_TASK = `/${TaskService.typeName}/CreateTask`;
const LIST_TASKS = `/${TaskService.typeName}/ListTasks`;

let fixture: ApiFixture;
let httpPort: number;
let serial = 0;

beforeAll(async () => {
  fixture = await startApiFixture();
  httpPort = Number(new URL(fixture.api.httpUrl).port);
});

afterAll(() => fixture?.stop());

const post = (path: string, type: string, body: Buffer) => {
  const head = requestHead("POST", path, { "Content-Type": type, "Content-Length": String(body.length) });
  return sendRaw(httpPort, Buffer.concat([Buffer.from(head), body]), { withinMs: WITHIN_MS });
};

/** A request that makes a task, of so many bytes: most of them are of a field that nobody knows. */
function message(bytes: number): Buffer {
  const task = { name: `sized ${++serial}`, scheduledTime: at("2100-01-01T00:00:00Z") };
  const known = toBinary(CreateTaskRequestSchema, create(CreateTaskRequestSchema, { task }));
  // Field 1000, of a length in four bytes.
  const head = Buffer.from([0xc2, 0x3e, 0, 0, 0, 0]);
  const length = bytes - known.length - head.length;
  for (let index = 0; index < 4; index += 1) {
    head[2 + index] = ((length >> (7 * index)) & 0x7f) | (index < 3 ? 0x80 : 0);
  }
  return Buffer.concat([known, head], bytes);
}

function json(bytes: number, fields: object, wrap = (task: object) => task): Buffer {
  const text = JSON.stringify(wrap({ name: `sized ${++serial}`, ...fields }));
  return Buffer.from(text.padEnd(bytes, " "));
}

async function lastName(): Promise<unknown> {
  const [row] = await fixture.query("SELECT name FROM tasks ORDER BY id DESC LIMIT 1");
  return row?.["name"];
}

const grpcWebCode = (text: string) => Number(/grpc-status: (\d+)/.exec(text)?.[1]);
const connectCode = ({ status }: { status: number }) => ({ 200: OK, 429: RESOURCE_EXHAUSTED })[status];

/** As they leave a client: one that holds more than 10 MB unsent has no room for the answer's headers. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/** Sends a message of so many bytes; gives gRPC's code. */
const senders: [string, (bytes: number) => Promise<number | undefined>][] = [
  [
    "gRPC",
    async (bytes) => {
      const frames = pieces(envelope(message(bytes)));
      return (await callRaw(fixture.api.grpcAddress, CREATE_TASK, frames, { withinMs: WITHIN_MS })).code;
    },
  ],
  [
    "gRPC-Web",
    async (bytes) =>
      grpcWebCode((await post(CREATE_TASK, "application/grpc-web+proto", envelope(message(bytes)))).text),
  ],
  ["Connect, binary", async (bytes) => connectCode(await post(CREATE_TASK, "application/proto", message(bytes)))],
  [
    "Connect, JSON",
    async (bytes) => {
      const fields = { scheduledTime: "2100-01-01T00:00:00Z" };
      return connectCode(
        await post(
          CREATE_TASK,
          "application/json",
          json(bytes, fields, (task) => ({ task })),
        ),
      );
    },
  ],
];

it.each(senders)("a message of 16 MiB over %s is served, and one of a byte more is refused", async (_, send) => {
  expect(await send(MESSAGE_BYTES)).toBe(OK);
  expect(await lastName()).toBe(`sized ${serial}`);
  const before = serial;
  expect(await send(MESSAGE_BYTES + 1)).toBe(RESOURCE_EXHAUSTED);
  expect(await lastName()).toBe(`sized ${before}`);
});

it("a body of 1 MiB over REST is served, and one of a byte more is refused", async () => {
  const send = (bytes: number) =>
    post("/api/tasks/", "application/json", json(bytes, { scheduled_time: "2100-01-01T00:00:00" }));
  expect((await send(REST_BYTES)).status).toBe(200);
  expect(await lastName()).toBe(`sized ${serial}`);
  const before = serial;
  expect((await send(REST_BYTES + 1)).status).toBe(413);
  expect(await lastName()).toBe(`sized ${before}`);
});

it("headers of nearly 16 KiB over HTTP are served, and more are refused", async () => {
  const send = (bytes: number) =>
    sendRaw(httpPort, requestHead("GET", "/api/tasks/", { "X-Large": "x".repeat(bytes) }), { withinMs: WITHIN_MS });
  expect((await send(HTTP_HEADERS_BYTES - OTHER_HEADERS_BYTES)).status).toBe(200);
  expect((await send(HTTP_HEADERS_BYTES)).status).toBe(431);
});

it("headers of nearly 64 KiB over gRPC are served, and more are refused", async () => {
  const send = (bytes: number) =>
    callRaw(fixture.api.grpcAddress, LIST_TASKS, [envelope("")], {
      headers: { "x-large": "x".repeat(bytes) },
      withinMs: WITHIN_MS,
    });
  expect((await send(GRPC_HEADERS_BYTES - OTHER_HEADERS_BYTES)).code).toBe(OK);
  expect((await send(GRPC_HEADERS_BYTES)).code).toBeUndefined();
});
