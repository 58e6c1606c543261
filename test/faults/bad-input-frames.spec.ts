import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { TaskService } from "@taskscheduler/proto";
import { type ApiFixture, at, startApiFixture } from "../integration/api-fixture.js";
import { watchApi } from "./api-watch.js";
import { callRaw } from "./raw-grpc.js";
import { chunkedBody, envelope, requestHead, sendRaw } from "./raw-http.js";

/** Bytes that no client library sends. Each gets an answer in time, and the next call is served as ever. */

/** Room for a busy machine. */
const WITHIN_MS = 10_000;
const MAX_GROWTH_BYTES = 150 * 1024 * 1024;
const service = TaskService.typeName;
const json = { "Content-Type": "application/json" };
const web = { "Content-Type": "application/grpc-web+proto" };
const stream = { "Content-Type": "application/connect+json" };

/** Of what is wrong, and not large. The slowest says more of the machine than of the API: each has `WITHIN_MS`. */
const TYPICAL_MS = 100;
const took: number[] = [];

/** `GetTaskRequest` of the task below. */
let getTask: Buffer;
let fixture: ApiFixture;
let httpPort: number;
let taskId: number;

beforeAll(async () => {
  fixture = await startApiFixture();
  httpPort = Number(new URL(fixture.api.httpUrl).port);
  const task = { name: "kept", scheduledTime: at("2100-01-31T09:30:00Z") };
  taskId = (await fixture.client.call("createTask", { task })).task!.id;
  getTask = Buffer.from([8, taskId]);
});
afterAll(() => fixture?.stop());

afterEach(async () => {
  const names = await fixture.query("SELECT name FROM tasks");
  expect(names).toEqual([{ name: "kept" }]);
  const fresh = await fetch(`${fixture.api.httpUrl}/api/tasks/${taskId}`, {
    headers: { connection: "close" },
    signal: AbortSignal.timeout(WITHIN_MS),
  });
  expect(fresh.status).toBe(200);
  const { code } = await callRaw(fixture.api.grpcAddress, `/${service}/GetTask`, [envelope(getTask)], {
    withinMs: WITHIN_MS,
  });
  expect(code).toBe(0);
});

/** With `Content-Length`; on a connection of its own. */
async function post(path: string, headers: Readonly<Record<string, string>>, body: Uint8Array | string) {
  const head = requestHead("POST", path, { "Content-Length": String(Buffer.byteLength(body)), ...headers });
  const bytes = Buffer.concat([Buffer.from(head), Buffer.from(body as string)]);
  const answer = await sendRaw(httpPort, bytes, { withinMs: WITHIN_MS });
  took.push(answer.tookMs);
  return answer;
}

const OK = 0;
const INVALID_ARGUMENT = 3;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;

describe("gRPC", () => {
  const gzip = { "grpc-encoding": "gzip" };
  it.each<[string, () => Buffer[], number, Record<string, string>?]>([
    ["no message", () => [], UNIMPLEMENTED],
    ["two messages", () => [envelope(getTask), envelope(getTask)], UNIMPLEMENTED],
    ["two messages at once", () => [Buffer.concat([envelope(getTask), envelope(getTask)])], UNIMPLEMENTED],
    ["a header that breaks off", () => [Buffer.from([0, 0, 0])], UNIMPLEMENTED],
    ["a message that breaks off", () => [envelope(getTask, 0, 100)], UNIMPLEMENTED],
    ["a length of 4 GB", () => [envelope(getTask, 0, 0xffffffff)], RESOURCE_EXHAUSTED],
    ["a byte after the message", () => [envelope(getTask), Buffer.from([0])], OK],
    ["bytes that are no message", () => [envelope(Buffer.from([0xff, 0xff]))], INVALID_ARGUMENT],
    ["an endless varint", () => [envelope(Buffer.from([8, ...Array(20).fill(0xff)]))], INVALID_ARGUMENT],
    ["a field beyond the message", () => [envelope(Buffer.from([0x12, 0x7f]))], INVALID_ARGUMENT],
    ["an unknown encoding", () => [envelope(getTask, 1)], UNIMPLEMENTED, { "grpc-encoding": "snappy" }],
    // The library's own code for it.
    ["gzip that is none", () => [envelope(getTask, 1)], INTERNAL, gzip],
    ["gzip that breaks off", () => [envelope(gzipSync(getTask).subarray(0, 12), 1)], INTERNAL, gzip],
    ["gzip of 64 MB", () => [envelope(gzipSync(Buffer.alloc(64 << 20)), 1)], RESOURCE_EXHAUSTED, gzip],
    ["100,000 groups in groups", () => [envelope(Buffer.alloc(100_000, 0x13))], INVALID_ARGUMENT],
  ])("of %s has an answer", async (_, chunks, code, headers = {}) => {
    const path = `/${service}/GetTask`;
    const frames = chunks();
    const startMs = performance.now();
    const answer = await callRaw(fixture.api.grpcAddress, path, frames, { headers, withinMs: WITHIN_MS });
    took.push(performance.now() - startMs);
    expect([answer.code, answer.message]).toEqual([code, expect.stringMatching(/\w/)]);
  });

  it.each([1, 2, 255])("with the flag %d and no encoding is answered, and does no harm", async (flags) => {
    const frames = [envelope(getTask, flags)];
    const answer = await callRaw(fixture.api.grpcAddress, `/${service}/GetTask`, frames, { withinMs: WITHIN_MS });
    expect(answer.code).toBeDefined();
  });

  it("of text that is not UTF-8 is refused", async () => {
    const request = Buffer.from([0x0a, 0x08, 0x12, 0x02, 0xff, 0xfe, 0x1a, 0x02, 0x08, 0x01]);
    const frames = [envelope(request)];
    const answer = await callRaw(fixture.api.grpcAddress, `/${service}/CreateTask`, frames, { withinMs: WITHIN_MS });
    expect(answer.code).toBe(INVALID_ARGUMENT);
    for (const headers of [web, { "Content-Type": "application/proto" }]) {
      const body = headers === web ? envelope(request) : request;
      expect((await post(`/${service}/CreateTask`, headers, body)).text).toMatch(/grpc-status: 3|invalid_argument/);
    }
  });

  it("with headers beyond 64 KB is refused", async () => {
    const headers = { "x-large": "x".repeat(70_000) };
    const path = `/${service}/GetTask`;
    const answer = await callRaw(fixture.api.grpcAddress, path, [envelope(getTask)], { headers, withinMs: WITHIN_MS });
    expect([answer.code, answer.resetCode]).toEqual([undefined, expect.any(Number)]);
    expect(answer.resetCode).toBeGreaterThan(0);
  });

  it.each([`/${service}/Nothing`, "/nothing.Service/GetTask", "/../../etc/passwd"])(
    "at %s is not there",
    async (path) => {
      const answer = await callRaw(fixture.api.grpcAddress, path, [envelope(getTask)], { withinMs: WITHIN_MS });
      expect(answer.code).toBe(UNIMPLEMENTED);
    },
  );
});

/** Of HTTP/2 (RFC 9113, 4.1). */
function frame(type: number, streamId: number, payload: Uint8Array | string, length = payload.length): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, Buffer.from(payload as string)]);
}

describe("HTTP/2", () => {
  const [DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION] = [0, 1, 4, 6, 8, 9] as const;
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const settings = frame(SETTINGS, 0, "");
  const widest = Buffer.from([0x7f, 0xff, 0xff, 0xff]);
  it.each<[string, Buffer[]]>([
    ["HTTP/1.1 instead", [Buffer.from(requestHead("GET", "/healthz"))]],
    ["TLS instead", [Buffer.from("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".padEnd(64, "\0"), "latin1")]],
    ["a preface that is none", [Buffer.from("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")]],
    ["a first frame that is no settings", [preface, frame(PING, 0, "12345678")]],
    ["a frame of 16 MB", [preface, settings, frame(DATA, 1, "", 0xffffff)]],
    ["data of no stream", [preface, settings, frame(DATA, 0, "x")]],
    ["data of a stream that was never begun", [preface, settings, frame(DATA, 1, "x")]],
    ["settings that break off", [preface, frame(SETTINGS, 0, "12345")]],
    ["a ping of seven bytes", [preface, settings, frame(PING, 0, "1234567")]],
    ["a window that grows by nothing", [preface, settings, frame(WINDOW_UPDATE, 0, "\0\0\0\0")]],
    ["a window beyond 2 GB", [preface, settings, frame(WINDOW_UPDATE, 0, widest), frame(WINDOW_UPDATE, 0, widest)]],
    ["headers that cannot be unpacked", [preface, settings, frame(HEADERS, 1, Buffer.alloc(64, 0xff))]],
    ["headers of a server's stream", [preface, settings, frame(HEADERS, 2, "\x83")]],
    ["a continuation of nothing", [preface, settings, frame(CONTINUATION, 1, "\x83")]],
  ])("of %s is cut, or told that it is over", async (_, bytes) => {
    const startMs = performance.now();
    expect(await endOf(Buffer.concat(bytes))).toMatch(/^(cut|GOAWAY [1-9]\d*)$/);
    took.push(performance.now() - startMs);
  });
});

/** How the gRPC port ends a connection that begins with these bytes. Node.js leaves it to the client to close, mostly. */
async function endOf(bytes: Buffer): Promise<string> {
  const GOAWAY = 7;
  const socket = connect(Number(fixture.api.grpcAddress.split(":")[1]), "127.0.0.1");
  const timer = setTimeout(() => socket.destroy(new Error(`no end within ${WITHIN_MS} ms`)), WITHIN_MS);
  socket.write(bytes);
  let rest = Buffer.alloc(0);
  try {
    for await (const chunk of socket) {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
        if (rest[3] === GOAWAY) return `GOAWAY ${rest.readUInt32BE(13)}`;
        rest = rest.subarray(9 + rest.readUIntBE(0, 3));
      }
    }
    return "cut";
  } catch (error) {
    if (Reflect.get(Object(error), "code") === "ECONNRESET") return "cut";
    throw error;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** Each made of a message that is valid, and empty, in its protocol. */
const frames: [string, (empty: string) => Buffer, number][] = [
  ["no message", () => Buffer.alloc(0), UNIMPLEMENTED],
  ["two messages", (empty) => Buffer.concat([envelope(empty), envelope(empty)]), UNIMPLEMENTED],
  ["a header that breaks off", () => Buffer.from([0, 0]), INVALID_ARGUMENT],
  ["a message that breaks off", () => envelope("{}", 0, 100), INVALID_ARGUMENT],
  ["the compressed flag without an encoding", () => envelope("{}", 1), INVALID_ARGUMENT],
  ["a length of 4 GB", (empty) => envelope(empty, 0, 0xffffffff), RESOURCE_EXHAUSTED],
  ["bytes that are no message", () => envelope(Buffer.from([0xff, 0xff])), INVALID_ARGUMENT],
];
const reasons = new Map([
  [UNIMPLEMENTED, ["unimplemented", "NOT_IMPLEMENTED_YET"]],
  [INVALID_ARGUMENT, ["invalid_argument", "MALFORMED_REQUEST"]],
  [RESOURCE_EXHAUSTED, ["resource_exhausted", "REQUEST_TOO_LARGE"]],
]);

describe.each(frames)("a body of %s", (_, body, code) => {
  const [name, reason = ""] = reasons.get(code) ?? [];

  it("over gRPC-Web has its code and a reason", async () => {
    const { status, text } = await post(`/${service}/GetTask`, web, body(""));
    expect([status, /grpc-status: (\d+)/.exec(text)?.[1]]).toEqual([200, String(code)]);
    const details = Buffer.from(/grpc-status-details-bin: (\S+)/.exec(text)?.[1] ?? "", "base64");
    expect(details.toString("latin1")).toContain(reason);
  });

  it("for a Connect stream has its code and a reason", async () => {
    const { status, text } = await post(`/${service}/WatchTasks`, stream, body("{}"));
    expect([status, /"code":"(\w+)"/.exec(text)?.[1]]).toEqual([200, name]);
    expect(text).toContain(`"reason":"${reason}"`);
  });
});

describe("Connect", () => {
  it.each<[string, Record<string, string>, string | Buffer, number, RegExp]>([
    ["bytes that are no message", { "Content-Type": "application/proto" }, Buffer.from([10, 255]), 400, /MALFORMED/],
    ["gzip that is none", { ...json, "Content-Encoding": "gzip" }, "{}", 400, /MALFORMED/],
    ["gzip of 64 MB", { ...json, "Content-Encoding": "gzip" }, gzipSync(Buffer.alloc(64 << 20, " ")), 429, /TOO_LARGE/],
    ["an unknown encoding", { ...json, "Content-Encoding": "br" }, "{}", 501, /unknown compression/],
    ["a timeout that is none", { ...json, "Connect-Timeout-Ms": "1e99" }, "{}", 400, /timeout/],
    ["another content type", { "Content-Type": "text/xml" }, "<a/>", 415, /^/],
    ["another charset", { "Content-Type": "application/json; charset=utf-16" }, "{}", 415, /^/],
  ])("of %s has an answer", async (_, headers, body, status, words) => {
    const answer = await post(`/${service}/CreateTask`, headers, body);
    expect([answer.status, answer.text]).toEqual([status, expect.stringMatching(words)]);
  });
});

describe("REST", () => {
  it.each([
    "%",
    "%ff",
    "%c0%ae",
    "%00",
    "1%00",
    "%2e%2e%2f1",
    "1;2",
    "0x1",
    "१",
    "1e3",
    "NaN",
    "9".repeat(7_000),
    "\\",
  ])("has no task %s", async (id) => {
    const path = Buffer.from(`/api/tasks/${id}`).toString("latin1");
    const head = Buffer.from(requestHead("GET", path), "latin1");
    const { status, text } = await sendRaw(httpPort, head, { withinMs: WITHIN_MS });
    expect([400, 404, 422]).toContain(status);
    if (status === 422) expect(JSON.parse(text).detail[0].loc).toEqual(["path", "task_id"]);
  });

  it.each([
    "/assets/../../../../etc/passwd",
    "/assets/%2e%2e/%2e%2e/package.json",
    "/assets/..%5c..%5cpackage.json",
    "//etc/passwd",
    "/assets/",
  ])("gives nothing under %s", async (path) => {
    const { status, text } = await sendRaw(httpPort, requestHead("GET", path), { withinMs: WITHIN_MS });
    expect([status, text]).toEqual([404, '{"detail":"Not Found"}']);
  });

  it.each([
    ["text/plain", "422"],
    ["application/x-www-form-urlencoded", "422"],
    ["multipart/form-data; boundary=x", "422"],
    ["application/jsonx", "422"],
  ])("takes no body that is called %s", async (type, status) => {
    const body = '{"name":"a","scheduled_time":"2100-01-01T00:00:00"}';
    expect(String((await post("/api/tasks/", { "Content-Type": type }, body)).status)).toBe(status);
  });

  const levels = 100_000;
  it.each<[string, string | Buffer, string[]]>([
    ["100,000 levels", `${"[".repeat(levels)}${"]".repeat(levels)}`, ["body"]],
    ["100,000 levels in a field", `{"name":${"[".repeat(levels)}${"]".repeat(levels)}}`, ["body", "name"]],
    ["levels without end", "[".repeat(levels), ["body", String(levels)]],
    ["bytes that are not UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), ["body"]],
    ["half a surrogate pair", '{"name":"\\udfff","scheduled_time":"2100-01-01T00:00:00"}', ["body", "name"]],
    ["a name of 900 KB", `{"name":"${"x".repeat(900_000)}","scheduled_time":"2100-01-01T00:00:00"}`, ["body", "name"]],
    ["__proto__", '{"__proto__":{"name":"a"},"scheduled_time":"2100-01-01T00:00:00"}', ["body", "name"]],
    ...[
      "0000-01-01T00:00:00",
      "10000-01-01T00:00:00",
      "2100-02-30T00:00:00",
      "2100-01-01T24:00:00",
      "NaN",
      "1e400",
    ].map((time): [string, string, string[]] => [
      time,
      `{"name":"a","scheduled_time":"${time}"}`,
      ["body", "scheduled_time"],
    ]),
    ["a time of 1e400", '{"name":"a","scheduled_time":1e400}', ["body", "scheduled_time"]],
  ])("refuses a body of %s", async (_, body, location) => {
    const { status, text } = await post("/api/tasks/", json, body);
    expect(status).toBe(422);
    expect(JSON.parse(text).detail[0].loc.map(String).slice(0, location.length)).toEqual(location);
  });
});

describe("HTTP", () => {
  const chunked = { ...json, "Transfer-Encoding": "chunked" };
  it.each<[string, string, number]>([
    ["a negative length", requestHead("POST", "/api/tasks/", { ...json, "Content-Length": "-1" }), 400],
    ["a length beyond numbers", requestHead("POST", "/api/tasks/", { ...json, "Content-Length": "9".repeat(20) }), 400],
    ["two lengths", requestHead("POST", "/api/tasks/", { "Content-Length": "2\r\nContent-Length: 3" }), 400],
    ["a length and chunks", requestHead("POST", "/api/tasks/", { ...chunked, "Content-Length": "2" }), 400],
    ["a chunk without a length", `${requestHead("POST", "/api/tasks/", chunked)}zz\r\n`, 400],
    ["a header of 20 KB", requestHead("GET", "/healthz", { "X-Large": "x".repeat(20_000) }), 431],
    ["a URL of 20 KB", requestHead("GET", `/${"x".repeat(20_000)}`), 431],
    [
      "4,000 headers",
      requestHead("GET", "/healthz", Object.fromEntries(Array.from({ length: 4_000 }, (_, i) => [`a${i}`, "b"]))),
      431,
    ],
    ["a NUL in a header", requestHead("GET", "/healthz", { "X-Nul": "a\0b" }), 400],
    ["TLS", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 400],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    [
      "a length of a petabyte",
      requestHead("POST", "/api/tasks/", { ...json, "Content-Length": "1000000000000000" }),
      413,
    ],
    [
      "as much for Connect",
      requestHead("POST", `/${service}/CreateTask`, { ...json, "Content-Length": "1000000000000000" }),
      429,
    ],
  ])("of %s has an answer", async (_, head, status) => {
    expect((await sendRaw(httpPort, Buffer.from(head, "latin1"), { withinMs: WITHIN_MS })).status).toBe(status);
  });
});

/** A body of 100 MB is refused by its limit, long before it is there, and others are served meanwhile. */
describe("100 MB", () => {
  const megabytes = 100;
  const chunked = { "Transfer-Encoding": "chunked" };

  it.each<[string, string, Record<string, string>, number]>([
    ["REST", "/api/tasks/", json, 413],
    ["Connect", `/${service}/CreateTask`, json, 429],
    ["Connect, binary", `/${service}/CreateTask`, { "Content-Type": "application/proto" }, 429],
    ["gRPC-Web", `/${service}/CreateTask`, web, 200],
    ["nowhere", "/nowhere", json, 404],
    ["a probe", "/healthz", json, 405],
  ])("for %s, five at a time, are not held in memory", async (_, path, headers, status) => {
    const seen = await watchApi(fixture.api, async () => {
      const head = requestHead("POST", path, { ...headers, ...chunked });
      const answers = await Promise.all(
        Array.from({ length: 5 }, () =>
          sendRaw(httpPort, head, { body: chunkedBody(megabytes), withinMs: 2 * WITHIN_MS }),
        ),
      );
      expect(answers.map((answer) => answer.status)).toEqual(Array(5).fill(status));
    });
    expect(seen.failures).toEqual([]);
    expect(seen.slowestMs).toBeLessThan(WITHIN_MS);
    expect(seen.growthBytes).toBeLessThan(MAX_GROWTH_BYTES);
  });

  it("for gRPC, in one message and in many, are not held in memory", async () => {
    function* parts(messages: number): Generator<Buffer> {
      const each = megabytes / messages;
      for (let index = 0; index < messages; index += 1) {
        yield envelope("", 0, each * 1024 * 1024);
        for (let part = 0; part < each; part += 1) yield Buffer.alloc(1024 * 1024);
      }
    }
    const path = `/${service}/CreateTask`;
    const seen = await watchApi(fixture.api, async () => {
      const calls = [1, 10].flatMap((messages) => [messages, messages]);
      const answers = await Promise.all(
        calls.map((messages) => callRaw(fixture.api.grpcAddress, path, parts(messages), { withinMs: 2 * WITHIN_MS })),
      );
      expect(answers.map(({ code }) => code)).toEqual([
        RESOURCE_EXHAUSTED,
        RESOURCE_EXHAUSTED,
        UNIMPLEMENTED,
        UNIMPLEMENTED,
      ]);
    });
    expect(seen.failures).toEqual([]);
    expect(seen.growthBytes).toBeLessThan(MAX_GROWTH_BYTES);
  });

  it("that stop half-way keep nobody waiting", async () => {
    const head = `${requestHead("POST", "/api/tasks/", { ...json, ...chunked })}5\r\n{"nam`;
    const half = Array.from({ length: 20 }, () => sendRaw(httpPort, head, { withinMs: 1_000 }).catch(() => undefined));
    const seen = await watchApi(fixture.api, () => Promise.all(half));
    expect([seen.failures, seen.calls > 3]).toEqual([[], true]);
  });

  it("that are refused are cut when their sender does not stop", async () => {
    const head = requestHead("POST", "/nowhere", { ...json, "Content-Length": "1000000000000000" });
    const { status, ended } = await neverEnding(head);
    expect(status).toBe(404);
    expect(await ended).toBe(true);
  });
});

/** Sends on after the answer, until the server cuts the connection. */
async function neverEnding(head: string): Promise<{ status: number; ended: Promise<boolean> }> {
  const socket = connect(httpPort, "127.0.0.1");
  socket.on("error", () => undefined);
  const ended = new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(false);
    }, WITHIN_MS);
    socket.once("close", () => {
      clearTimeout(timer);
      clearInterval(sending);
      resolve(true);
    });
  });
  socket.write(head);
  const sending = setInterval(() => socket.write(Buffer.alloc(1024)), 20);
  const first = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(first.toString())?.[1]), ended };
}

it("what is malformed is refused soon", () => {
  const median = took.sort((a, b) => a - b)[took.length >> 1];
  expect(median).toBeLessThan(TYPICAL_MS);
});

it("none of all this was a defect", () => {
  expect(fixture.api.output()).not.toMatch(/internal error|"level":"(error|fatal)"/);
});
