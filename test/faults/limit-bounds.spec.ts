import { create, toBinary } from "@bufbuild/protobuf";
import { CreateTaskRequestSchema, TaskService } from "@taskscheduler/proto";
import { type ApiFixture, at, faultOf, startApiFixture } from "../integration/api-fixture.js";
import { eventually } from "../setup/eventually.js";
import { metricOf } from "../setup/metrics.js";
import { connectTo } from "../setup/test-database.js";
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
const WAITING_ROWS = 50_000;
const BATCH = 1_000;
const GROUPS_UNDER_WAY = 2;
/** Than may wait, and more than are under way beside them. */
const MORE_BATCHES = 8;
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

it("a list that the database takes longer than 6 s over is ended there, and says so", async () => {
  const connection = await connectTo(fixture.database.url);
  try {
    // Waits for the lock as a slow one would for the disk.
    await connection.query("LOCK TABLES tasks WRITE");
    const faults = await Promise.all([
      faultOf(fixture.clients.gRPC.call("listTasks", {})),
      faultOf(fixture.clients["Connect, JSON"].call("listTasks", { countTotal: true })),
    ]);
    for (const fault of faults) expect(fault).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "QUERY_TOO_SLOW" });
    // The API's own look at its tables, once a second, waits for the lock as well.
    const rows: unknown[] = await connection.query(
      `SELECT info FROM information_schema.processlist
         WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info IS NOT NULL AND info NOT LIKE 'SELECT 1 FROM tasks, %'`,
    );
    expect(rows).toEqual([]);
  } finally {
    await connection.end();
  }
  expect((await fixture.client.call("listTasks", { pageSize: 1 })).tasks).toHaveLength(1);
});

it("writes beyond those that may wait are refused at once, and those that wait are done", async () => {
  await fixture.query("DELETE FROM tasks");
  const connection = await connectTo(fixture.database.url);
  const scheduledTime = at("2100-01-01T00:00:00Z");
  let refused = 0;
  const write = async (batch: number): Promise<number> => {
    const tasks = Array.from({ length: BATCH }, (_, index) => ({ name: `waits ${batch}.${index}`, scheduledTime }));
    try {
      const { results } = await fixture.client.call("batchCreateTasks", { tasks });
      return results.filter(({ result }) => result.case === "task").length;
    } catch (error) {
      const { reason } = await faultOf(Promise.reject(error));
      expect(reason).toMatch(/^(TOO_MANY_REQUESTS|DATABASE_UNAVAILABLE)$/);
      // Where a busy machine takes longer to send them than the first groups wait for the counter, those have given up.
      if (reason === "TOO_MANY_REQUESTS") refused += 1;
      return 0;
    }
  };
  let writing: Promise<number[]>;
  try {
    // Nobody commits meanwhile.
    await connection.query("BEGIN");
    await connection.query("SELECT revision FROM change_counter FOR UPDATE");
    writing = Promise.all(Array.from({ length: WAITING_ROWS / BATCH + MORE_BATCHES }, (_, batch) => write(batch)));
    writing.catch(() => undefined);
    await eventually("some are refused", () => refused > 0);
    expect(await metricOf(fixture.api, "taskscheduler_api_writes_waiting")).toBeLessThanOrEqual(WAITING_ROWS);
  } finally {
    await connection.end();
  }
  const written = (await writing).reduce((sum, count) => sum + count, 0);
  expect(refused).toBeLessThanOrEqual(MORE_BATCHES);
  expect(written).toBeGreaterThanOrEqual(WAITING_ROWS - GROUPS_UNDER_WAY * BATCH);
  const [row] = await fixture.query("SELECT COUNT(*) AS n FROM tasks");
  expect(row?.["n"]).toBe(written);
});
