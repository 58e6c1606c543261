import type { Socket } from "node:net";
import { someCall } from "../../packages/scheduler/src/targets/webhook-call.fixture.js";
import type { WebhookCall } from "../../packages/scheduler/src/targets/webhook-call.js";
import { createWebhookClient } from "../../packages/scheduler/src/targets/webhook-client.js";
import type { WebhookOutcome } from "../../packages/scheduler/src/targets/webhook-outcome.js";
import { noWebhookSecrets } from "../../packages/scheduler/src/targets/webhook-secrets.js";
import { eventually } from "../setup/eventually.js";
import { type Receiver, receiveRaw } from "./webhook-receiver.js";

const never = new AbortController().signal;
const allowCidrs = ["127.0.0.0/8"];
const client = createWebhookClient({ allowCidrs, secrets: noWebhookSecrets, nowMs: () => Date.now() });
const open: Receiver[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});
afterAll(() => client.close());

/** Answers the n-th request, counted over all connections, whatever it holds. */
type RawAnswer = (socket: Socket, count: number) => void;

interface RawReceiver {
  readonly receiver: Receiver;
  requests(): number;
  /** Sends a request with a small body. */
  call(changes?: Partial<WebhookCall>): Promise<WebhookOutcome>;
}

async function receiverThat(answer: RawAnswer): Promise<RawReceiver> {
  let count = 0;
  const receiver = await receiveRaw((socket) => {
    socket.on("data", (bytes) => {
      // A small request arrives in one piece.
      if (/^POST /.test(bytes.toString("latin1"))) answer(socket, ++count);
    });
  });
  open.push(receiver);
  const url = `http://127.0.0.1:${receiver.port}/`;
  return {
    receiver,
    requests: () => count,
    call: (changes = {}) => client.call({ ...someCall, timeoutMs: 5_000, url, ...changes }, never),
  };
}

const head = (line: string, ...fields: string[]) => [line, ...fields, "", ""].join("\r\n");
const OK = `${head("HTTP/1.1 200 OK", "content-length: 2")}ok`;
const withField = (field: string) => `${head("HTTP/1.1 200 OK", field, "content-length: 2")}ok`;
const chunked = (...lines: string[]) => head("HTTP/1.1 200 OK", "transfer-encoding: chunked") + lines.join("\r\n");

describe("a response that HTTP allows", () => {
  it.each<[what: string, bytes: string]>([
    ["100 before it, unasked", head("HTTP/1.1 100 Continue") + OK],
    ["100 with fields before it", head("HTTP/1.1 100 Continue", "x-a: 1") + OK],
    ["100 three times before it", head("HTTP/1.1 100 Continue").repeat(3) + OK],
    ["102 before it", head("HTTP/1.1 102 Processing") + OK],
    ["103 before it, twice", head("HTTP/1.1 103 Early Hints", "link: </a>; rel=preload").repeat(2) + OK],
    ["104 and 199 before it", head("HTTP/1.1 104 Upload Resumption Supported") + head("HTTP/1.1 199 ?") + OK],
    ["an interim response of HTTP/1.0", head("HTTP/1.0 100 Continue") + OK],
    ["HTTP/1.0 that keeps alive", `${head("HTTP/1.0 200 OK", "connection: keep-alive", "content-length: 2")}ok`],
    ["HTTP/1.0 that closes", `${head("HTTP/1.0 200 OK", "content-length: 2")}ok`],
    ["a later minor version", `${head("HTTP/1.2 200 OK", "content-length: 2")}ok`],
    ["chunks in odd spellings", chunked("0001", "o", "1", "k", "000", "", "")],
    ["chunks with extensions and trailers", chunked('2;a=b;c="d e"', "ok", "0;x", "x-t: 1", "x-u: 2", "", "")],
    [
      "chunks beside a length",
      `${head("HTTP/1.1 200 OK", "content-length: 9", "transfer-encoding: chunked")}0\r\n\r\n`,
    ],
    ["chunks named in capitals", `${head("HTTP/1.1 200 OK", "TRANSFER-ENCODING: Chunked")}0\r\n\r\n`],
    ["204 with a length", head("HTTP/1.1 204 No Content", "content-length: 0")],
    ["204 with the length of another answer", head("HTTP/1.1 204 No Content", "content-length: 5")],
    ["204 alone", head("HTTP/1.1 204 No Content")],
    ["205 with a length", head("HTTP/1.1 205 Reset Content", "content-length: 0")],
    ["205 with an empty chunk", `${head("HTTP/1.1 205 Reset Content", "transfer-encoding: chunked")}0\r\n\r\n`],
    ["206", `${head("HTTP/1.1 206 Partial Content", "content-range: bytes 0-1/2", "content-length: 2")}ok`],
    ["an unknown 2xx", `${head("HTTP/1.1 299 Fine", "content-length: 2")}ok`],
    ["an empty reason", `${head("HTTP/1.1 200 ", "content-length: 2")}ok`],
    ["no reason", `${head("HTTP/1.1 200", "content-length: 2")}ok`],
    ["a reason of odd bytes", `${head("HTTP/1.1 200 \xe9\xff\t!", "content-length: 2")}ok`],
    ["a field of odd bytes", withField("x-a: \xe9\xff")],
    ["a folded field", withField("x-a: a\r\n b\r\n\tc")],
    ["empty fields", withField("x-a:\r\nx-b: \t ")],
    ["fields with odd names", withField("__proto__: 1\r\nCONSTRUCTOR: 2\r\n!#$%&'*+-.^_`|~9: 3")],
    ["space around a length", `${head("HTTP/1.1 200 OK", "Content-Length: \t 2  ")}ok`],
    ["a length with zeros before it", `${head("HTTP/1.1 200 OK", "content-length: 0002")}ok`],
    ["one thousand fields", withField(Array.from({ length: 1_000 }, (_, n) => `x-${n}: v`).join("\r\n"))],
    ["a field of 60 kB", withField(`x-a: ${"b".repeat(60_000)}`)],
    ["lines that end in LF alone", OK.replaceAll("\r\n", "\n")],
    ["an empty line before it", `\r\n${OK}`],
    ["an upgrade on offer", withField("connection: upgrade\r\nupgrade: h2c")],
    ["a compressed body", `${head("HTTP/1.1 200 OK", "content-encoding: gzip", "content-length: 2")}\x1f\x8b`],
    ["a compressed transfer", `${head("HTTP/1.1 200 OK", "transfer-encoding: gzip, chunked")}2\r\nok\r\n0\r\n\r\n`],
    ["an odd Keep-Alive", withField("connection: keep-alive\r\nkeep-alive: max=?, timeout")],
    ["a Keep-Alive of a second", withField("connection: keep-alive\r\nkeep-alive: timeout=1, max=1")],
    ["bytes after it", `${OK}HTTP/1.1 500 Not An Answer\r\n\r\n`],
  ])("succeeds at once, and so does the next call: %s", async (_, bytes) => {
    const { call, requests } = await receiverThat((socket) => void socket.write(bytes, "latin1"));
    for (const attempt of [1, 2]) {
      expect(await call({ attempt })).toMatchObject({ succeeded: true, error: "" });
      expect(requests()).toBe(attempt);
    }
  });

  it.each<[what: string, bytes: string]>([
    ["Connection: close", `${head("HTTP/1.1 200 OK", "connection: close", "content-length: 2")}ok`],
    ["Connection: Close in a list", `${head("HTTP/1.1 200 OK", "Connection: X, Close", "content-length: 2")}ok`],
    ["no length", `${head("HTTP/1.1 200 OK")}ok`],
    ["no length, in HTTP/1.0", `${head("HTTP/1.0 200 OK")}ok`],
    ["no length, in HTTP/1.0 that would keep alive", `${head("HTTP/1.0 200 OK", "connection: keep-alive")}ok`],
    ["a transfer coding that is not chunked", `${head("HTTP/1.1 200 OK", "transfer-encoding: gzip")}ok`],
    ["205 without a length", head("HTTP/1.1 205 Reset Content")],
    ["100 before it", `${head("HTTP/1.1 100 Continue")}${head("HTTP/1.1 200 OK")}ok`],
  ])("ends with its connection, and succeeds: %s", async (_, bytes) => {
    const { call, receiver } = await receiverThat((socket) => void socket.end(bytes, "latin1"));
    for (const attempt of [1, 2]) expect(await call({ attempt })).toMatchObject({ succeeded: true, error: "" });
    expect(receiver.connections()).toBe(2);
  });

  it("comes in pieces of a byte, interim responses too", async () => {
    const { call } = await receiverThat(async (socket) => {
      for (const byte of head("HTTP/1.1 103 Early Hints", "link: </a>") + OK) {
        await new Promise((resolve) => socket.write(byte, resolve));
      }
    });
    expect(await call()).toMatchObject({ succeeded: true, error: "" });
  });

  it.each<[what: string, bytes: string, closes: boolean]>([
    ["and keeps the connection", OK, false],
    ["and closes", `${head("HTTP/1.1 200 OK", "connection: close", "content-length: 2")}ok`, true],
  ])("comes before the request has been read %s", async (_, bytes, closes) => {
    const receiver = await receiveRaw((socket) => {
      socket.once("readable", () => (closes ? socket.end(bytes) : socket.write(bytes)));
    });
    open.push(receiver);
    const url = `http://127.0.0.1:${receiver.port}/`;
    // More than the sockets of both sides hold.
    const body = "x".repeat(32 * 1024 * 1024);
    const outcome = await client.call({ ...someCall, url, body, timeoutMs: 5_000 }, never);
    expect(outcome).toMatchObject({ succeeded: true, error: "" });
  });

  it("comes as soon as there is a connection", async () => {
    const receiver = await receiveRaw((socket) => void socket.end(OK));
    open.push(receiver);
    const outcome = await client.call({ ...someCall, url: `http://127.0.0.1:${receiver.port}/` }, never);
    expect(outcome).toMatchObject({ succeeded: true, error: "" });
  });
});

describe("a response that is no success", () => {
  it.each<[bytes: string, httpStatus: number, error: string]>([
    [head("HTTP/1.1 304 Not Modified", "content-length: 10"), 304, "HTTP 304"],
    [head("HTTP/1.1 304 Not Modified"), 304, "HTTP 304"],
    [`${head("HTTP/1.1 421 Misdirected Request", "content-length: 2")}no`, 421, "HTTP 421: no"],
    [`${head("HTTP/1.1 425 Too Early", "content-length: 0")}`, 425, "HTTP 425"],
    [`${head("HTTP/1.1 408 Request Timeout", "connection: close", "content-length: 2")}no`, 408, "HTTP 408: no"],
    [`${head("HTTP/1.1 999 ?", "content-length: 2")}no`, 999, "HTTP 999: no"],
    [
      head("HTTP/1.1 101 Switching Protocols", "connection: upgrade", "upgrade: websocket"),
      101,
      "HTTP 101: the receiver switched to another protocol, which nobody asked for",
    ],
    [
      head("HTTP/1.1 101 Switching Protocols"),
      101,
      "HTTP 101: the receiver switched to another protocol, which nobody asked for",
    ],
  ])("is told of as it is: %j", async (bytes, httpStatus, error) => {
    const { call } = await receiverThat((socket) => void socket.write(bytes));
    expect(await call()).toMatchObject({ succeeded: false, failure: "RESPONSE", httpStatus, error });
    // The rest of the connection harms no later call.
    expect(await call()).toMatchObject({ failure: "RESPONSE", httpStatus, error });
  });

  it.each([
    ["a date", new Date(1_790_000_007_000).toUTCString()],
    ["an older form of date", "Monday, 21-Sep-26 14:13:27 GMT"],
  ])("says by %s when to try again", async (_, date) => {
    const { receiver } = await receiverThat((socket) => {
      socket.write(head("HTTP/1.1 503 No", `Retry-After: ${date}`, "content-length: 0"));
    });
    const early = createWebhookClient({ allowCidrs, secrets: noWebhookSecrets, nowMs: () => 1_790_000_000_000 });
    const outcome = await early.call({ ...someCall, url: `http://127.0.0.1:${receiver.port}/` }, never);
    await early.close();
    expect(outcome).toMatchObject({ httpStatus: 503, retryAfterMs: 7_000 });
  });
});

describe("a response that HTTP forbids", () => {
  const invalid = "connection failed: the response is not valid HTTP: ";

  it.each<[what: string, bytes: string, error: string]>([
    ["two lengths", withField("content-length: 3"), `${invalid}Duplicate Content-Length`],
    // RFC 9110, section 8.6, leaves this to the recipient.
    ["one length twice", withField("content-length: 2"), `${invalid}Duplicate Content-Length`],
    [
      "a list of lengths",
      `${head("HTTP/1.1 200 OK", "content-length: 2, 2")}ok`,
      `${invalid}Invalid character in Content-Length`,
    ],
    ["a space before a colon", withField("x-a : 1"), `${invalid}Invalid header token`],
    ["another protocol", "220 mail ready\r\n", `${invalid}Expected HTTP/, RTSP/ or ICE/`],
    ["a status of four digits", head("HTTP/1.1 2000 OK"), `${invalid}Invalid response status`],
    [
      "larger fields",
      withField(`x-a: ${"b".repeat(70_000)}`),
      "connection failed: the response's headers are larger than 64 KiB",
    ],
  ])("fails, and says why: %s", async (_, bytes, error) => {
    const { call, requests } = await receiverThat((socket) => void socket.write(bytes));
    expect(await call()).toMatchObject({ succeeded: false, failure: "CONNECTION", error });
    expect(requests()).toBe(1);
  });

  it.each<[what: string, bytes: string, httpStatus: number]>([
    ["its head", "HTTP/1.1 200 OK\r\nx-a: ", 0],
    ["its body", `${head("HTTP/1.1 200 OK", "content-length: 5")}ok`, 200],
    ["a chunk", chunked("5", "ok"), 200],
    ["its chunks", chunked("2", "ok", ""), 200],
    ["its interim responses", head("HTTP/1.1 100 Continue"), 0],
    ["nothing", "", 0],
  ])("breaks off amid %s, and fails", async (_, bytes, httpStatus) => {
    const { call, requests } = await receiverThat((socket) => void socket.end(bytes));
    const outcome = await call();
    expect(outcome).toMatchObject({ succeeded: false, failure: "CONNECTION", httpStatus });
    expect(outcome.error).toMatch(/: the receiver closed the connection$/);
    expect(requests()).toBe(1);
  });
});

describe("a kept connection", () => {
  /** Answers the first request, and leaves the connection open. */
  const answerFirst = (then: RawAnswer) =>
    receiverThat((socket, count) => (count === 1 ? void socket.write(OK) : then(socket, count)));

  it.each<[how: string, end: (socket: Socket) => void]>([
    ["closes", (socket) => socket.end()],
    ["resets", (socket) => socket.resetAndDestroy()],
  ])("that the receiver %s as the next request arrives costs no attempt", async (_, end) => {
    const { call, requests, receiver } = await answerFirst((socket, count) =>
      count === 2 ? end(socket) : void socket.write(OK),
    );
    expect(await call()).toMatchObject({ succeeded: true });
    expect(await call()).toMatchObject({ succeeded: true, error: "" });
    expect([requests(), receiver.connections()]).toEqual([3, 2]);
  });

  it("that the receiver closes at each request costs one connection more, and then the attempt", async () => {
    const { call, requests } = await answerFirst((socket) => void socket.end());
    expect(await call()).toMatchObject({ succeeded: true });
    expect(await call()).toMatchObject({ succeeded: false, failure: "CONNECTION" });
    expect(requests()).toBe(3);
  });

  it("that breaks off within a response costs the attempt", async () => {
    const { call, requests } = await answerFirst((socket) => void socket.end("HTTP/1.1 200 OK\r\n"));
    expect(await call()).toMatchObject({ succeeded: true });
    expect(await call()).toMatchObject({ succeeded: false, failure: "CONNECTION" });
    expect(requests()).toBe(2);
  });

  it("that the receiver has closed is not taken up", async () => {
    let closed = 0;
    const { call, requests, receiver } = await receiverThat((socket) => {
      socket.on("close", () => closed++);
      socket.write(OK, () => socket.end());
    });
    for (const attempt of [1, 2, 3]) {
      expect(await call({ attempt })).toMatchObject({ succeeded: true });
      await eventually("both sides have closed", () => closed === attempt);
    }
    expect([requests(), receiver.connections()]).toEqual([3, 3]);
  });

  it("on which a receiver says more than it was asked is not taken up", async () => {
    let closed = 0;
    const { call, requests, receiver } = await receiverThat((socket) => {
      socket.on("close", () => closed++);
      socket.write(OK, () => setImmediate(() => socket.write(head("HTTP/1.1 408 Request Timeout"))));
    });
    expect(await call()).toMatchObject({ succeeded: true });
    await eventually("the connection is closed", () => closed === 1);
    expect(await call()).toMatchObject({ succeeded: true });
    expect([requests(), receiver.connections()]).toEqual([2, 2]);
  });
});
