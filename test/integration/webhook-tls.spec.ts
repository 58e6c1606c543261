import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, type ServerHttp2Stream } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { someCall } from "../../packages/scheduler/src/targets/webhook-call.fixture.js";
import type { WebhookCall } from "../../packages/scheduler/src/targets/webhook-call.js";
import type { WebhookOutcome } from "../../packages/scheduler/src/targets/webhook-outcome.js";
import { createIdentity } from "../setup/self-signed.js";
import { startCaller, type WebhookCaller } from "./caller-process.js";
import {
  type Answer,
  type Receiver,
  receive,
  receiveRawSecurely,
  receiveSecurely,
  receiveStreams,
} from "./webhook-receiver.js";

const dir = mkdtempSync(join(tmpdir(), "taskscheduler-webhook-"));
const certFile = join(dir, "cert.pem");
const identity = createIdentity();
const open: Receiver[] = [];
let caller: WebhookCaller;

beforeAll(() => {
  writeFileSync(certFile, identity.cert);
  caller = startCaller({ NODE_EXTRA_CA_CERTS: certFile });
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});
afterAll(async () => {
  await caller.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function secureReceiver(answer: Answer): Promise<Receiver> {
  const receiver = await receiveSecurely(answer, identity);
  open.push(receiver);
  return receiver;
}

const callAll = (calls: readonly WebhookCall[]): Promise<WebhookOutcome[]> => caller.callAll(calls);

/** Makes a call in a process of another environment. */
async function callFrom(env: Record<string, string>, call: WebhookCall): Promise<WebhookOutcome | undefined> {
  const other = startCaller({ NODE_EXTRA_CA_CERTS: certFile, ...env });
  const [outcome] = await other.callAll([call]);
  await other.stop();
  return outcome;
}

const to = ({ port }: Receiver, path: string, changes: Partial<WebhookCall> = {}): WebhookCall => ({
  ...someCall,
  url: `https://localhost:${port}${path}`,
  ...changes,
});

const byPath: Answer = (response, { path }) => {
  if (path === "/hang") return;
  if (path === "/body") response.write("begun");
  else if (path === "/endless") {
    const send = (): void => {
      while (!response.destroyed && response.write("x".repeat(16 * 1024)));
    };
    response.on("drain", send);
    send();
  } else if (path === "/headers") response.writeHead(200, { "x-a": "y".repeat(100_000) }).end();
  else if (path === "/500") response.writeHead(500, { "retry-after": "7" }).end("no room");
  else response.end("ok");
};

describe("a receiver that speaks HTTP/2", () => {
  it("is called by any method on one connection, with its headers", async () => {
    const receiver = await secureReceiver(byPath);
    const methods = ["POST", "PUT", "PATCH", "DELETE", "GET"];
    const headers = { Connection: "close", TE: "gzip", Host: "other.example", "X-A": "1" };
    const outcomes = await callAll(methods.map((method) => to(receiver, "/", { method, body: "text", headers })));
    expect(outcomes.map(({ error }) => error)).toEqual(["", "", "", "", ""]);
    expect(receiver.requests.map(({ method, httpVersion, body }) => [method, httpVersion, body.toString()])).toEqual(
      methods.map((method) => [method, "2.0", method === "GET" ? "" : "text"]),
    );
    expect(receiver.connections()).toBe(1);
    expect(receiver.requests[0]?.headers).toMatchObject({
      ":authority": `localhost:${receiver.port}`,
      "x-a": "1",
      "ce-id": "7.1790000000000",
    });
  });

  it("is bounded like others", async () => {
    const receiver = await secureReceiver(byPath);
    const timeoutMs = 300;
    const outcomes = await callAll([
      to(receiver, "/500"),
      to(receiver, "/hang", { timeoutMs }),
      to(receiver, "/body", { timeoutMs }),
      to(receiver, "/endless"),
      to(receiver, "/"),
      to(receiver, "/headers"),
    ]);
    expect(outcomes).toMatchObject([
      { failure: "RESPONSE", httpStatus: 500, retryAfterMs: 7_000, error: "HTTP 500: no room" },
      { failure: "TIMEOUT", httpStatus: 0, error: "timed out after 0.3 s" },
      { failure: "TIMEOUT", httpStatus: 200 },
      { succeeded: true, httpStatus: 200 },
      { succeeded: true, httpStatus: 200 },
      { failure: "CONNECTION", httpStatus: 0 },
    ]);
  });
});

const { NGHTTP2_CANCEL, NGHTTP2_HTTP_1_1_REQUIRED, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } =
  constants;

/** Answers the n-th stream, counted over all connections. */
type StreamAnswer = (stream: ServerHttp2Stream, count: number) => void;

const ok: StreamAnswer = (stream) => {
  stream.respond({ ":status": 200 });
  stream.end("ok");
};
const reset =
  (code: number): StreamAnswer =>
  (stream) =>
    stream.close(code);

/** Makes `calls` calls. @returns their outcomes, and the number of streams and connections they took */
async function callStreams(answer: StreamAnswer, calls = 1, changes: Partial<WebhookCall> = {}) {
  let streams = 0;
  const receiver = await receiveStreams((stream) => answer(stream, ++streams), identity);
  open.push(receiver);
  const outcomes = await callAll(Array(calls).fill(to(receiver, "/", { timeoutMs: 5_000, ...changes })));
  return { outcomes, streams, connections: receiver.connections() };
}

describe("a response that HTTP/2 allows", () => {
  it.each<[what: string, answer: StreamAnswer]>([
    [
      "interim responses before it",
      (stream) => {
        for (const status of [100, 100, 102, 103, 199]) stream.additionalHeaders({ ":status": status });
        ok(stream, 1);
      },
    ],
    ["no body", (stream) => stream.respond({ ":status": 204 }, { endStream: true })],
    [
      "trailers",
      (stream) => {
        stream.on("wantTrailers", () => stream.sendTrailers({ "x-t": "1" }));
        stream.respond({ ":status": 200 }, { waitForTrailers: true });
        stream.end("ok");
      },
    ],
    [
      "five hundred fields",
      (stream) => {
        const fields = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`x-${n}`, "v"]));
        stream.respond({ ":status": 200, ...fields });
        stream.end("ok");
      },
    ],
    [
      "a field of 40 kB",
      (stream) => {
        stream.respond({ ":status": 200, "x-a": "b".repeat(40_000) });
        stream.end("ok");
      },
    ],
  ])("succeeds at once, and its connection serves the next call: %s", async (_, answer) => {
    const { outcomes, streams, connections } = await callStreams(answer, 3);
    expect(outcomes).toMatchObject(Array(3).fill({ succeeded: true, error: "" }));
    expect([streams, connections]).toEqual([3, 1]);
  });

  it("comes before the request has been read", async () => {
    const { outcomes, streams } = await callStreams(
      (stream) => {
        stream.respond({ ":status": 200 }, { endStream: true });
        stream.close(NGHTTP2_NO_ERROR);
      },
      1,
      { body: "x".repeat(100_000) },
    );
    expect(outcomes).toMatchObject([{ succeeded: true, error: "" }]);
    expect(streams).toBe(1);
  });

  it("comes after the receiver has said that it will go away", async () => {
    const { outcomes, streams, connections } = await callStreams((stream, count) => {
      stream.session?.close();
      setImmediate(() => ok(stream, count));
    }, 2);
    expect(outcomes).toMatchObject(Array(2).fill({ succeeded: true, error: "" }));
    expect([streams, connections]).toEqual([2, 2]);
  });
});

describe("a receiver that did nothing with a request over HTTP/2", () => {
  it("and refuses the stream is called once more at once", async () => {
    const refuse = reset(NGHTTP2_REFUSED_STREAM);
    const first = await callStreams((stream, count) => (count === 1 ? refuse : ok)(stream, count));
    expect(first).toMatchObject({ outcomes: [{ succeeded: true, error: "" }], streams: 2 });
    const always = await callStreams(refuse);
    expect(always).toMatchObject({ outcomes: [{ failure: "CONNECTION", httpStatus: 0 }], streams: 2 });
  });

  it("and wants HTTP/1.1 is called by that from then on", async () => {
    let streams = 0;
    const onStream = (stream: ServerHttp2Stream): void => {
      streams++;
      stream.close(NGHTTP2_HTTP_1_1_REQUIRED);
    };
    const receiver = await receiveStreams(onStream, identity, (response) => void response.end("ok"));
    open.push(receiver);
    const outcomes = await callAll(Array(3).fill(to(receiver, "/")));
    expect(outcomes).toMatchObject(Array(3).fill({ succeeded: true, error: "" }));
    expect([streams, receiver.requests.length]).toEqual([1, 3]);
  });

  it("and goes away is called once more on another connection", async () => {
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    // It goes away without an error, and no stream was taken up.
    const goAway = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const receiver = await receiveRawSecurely(
      (socket) => {
        socket.write(settings);
        socket.once("data", () => socket.write(goAway));
      },
      identity,
      "h2",
    );
    open.push(receiver);
    const [outcome] = await callAll([to(receiver, "/", { timeoutMs: 5_000 })]);
    expect(outcome).toMatchObject({ failure: "CONNECTION", error: expect.stringContaining("REFUSED_STREAM") });
    expect(receiver.connections()).toBe(2);
  });
});

describe("a response over HTTP/2 that breaks off", () => {
  it.each<[what: string, answer: StreamAnswer, httpStatus: number]>([
    ["before it begins", reset(NGHTTP2_CANCEL), 0],
    ["before it begins, without an error", reset(NGHTTP2_NO_ERROR), 0],
    ["before it begins, with an error", reset(NGHTTP2_INTERNAL_ERROR), 0],
    ["with its connection", (stream) => stream.session?.destroy(), 0],
    [
      "amid its body",
      (stream) => {
        stream.respond({ ":status": 200, "content-length": 5 });
        stream.write("o", () => stream.close(NGHTTP2_CANCEL));
      },
      200,
    ],
  ])("fails: %s", async (_, answer, httpStatus) => {
    const { outcomes, streams } = await callStreams(answer);
    expect(outcomes).toMatchObject([{ succeeded: false, failure: "CONNECTION", httpStatus }]);
    expect(streams).toBe(1);
  });

  it("costs no attempt where the connection had served before and said nothing more", async () => {
    const { outcomes, streams, connections } = await callStreams((stream, count) => {
      if (count === 2) stream.session?.destroy();
      else ok(stream, count);
    }, 2);
    expect(outcomes).toMatchObject(Array(2).fill({ succeeded: true, error: "" }));
    expect([streams, connections]).toEqual([3, 2]);
  });
});

it("a receiver that speaks HTTP/1.1 over TLS keeps its connection, and may close it as the next request arrives", async () => {
  const response = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
  let requests = 0;
  const receiver = await receiveRawSecurely(
    (socket) => {
      socket.on("data", (bytes) => {
        if (!bytes.toString().startsWith("POST ")) return;
        if (++requests === 3) socket.end();
        else socket.write(response);
      });
    },
    identity,
    "http/1.1",
  );
  open.push(receiver);
  const outcomes = await callAll(Array(3).fill(to(receiver, "/")));
  expect(outcomes).toMatchObject(Array(3).fill({ succeeded: true, error: "" }));
  expect([requests, receiver.connections()]).toEqual([4, 2]);
});

describe("a certificate", () => {
  it.each<Record<string, string>>([{}, { NODE_TLS_REJECT_UNAUTHORIZED: "0", NODE_NO_WARNINGS: "1" }])(
    "that nobody vouches for is not taken, with %j",
    async (env) => {
      const receiver = await secureReceiver(byPath);
      const outcome = await callFrom({ NODE_EXTRA_CA_CERTS: "", ...env }, to(receiver, "/"));
      const error = expect.stringMatching(/^connection failed: self-signed certificate/);
      expect(outcome).toMatchObject({ failure: "CONNECTION", error });
      expect(receiver.requests).toEqual([]);
    },
  );

  it("of another host is not taken", async () => {
    const receiver = await secureReceiver(byPath);
    const url = `https://127.0.0.2:${receiver.port}/`;
    const elsewhere = await receiveElsewhere(receiver.port);
    const [outcome] = await callAll([{ ...someCall, url }]);
    expect(outcome).toMatchObject({ failure: "CONNECTION", error: expect.stringContaining("altnames") });
    expect(elsewhere.requests).toEqual([]);
  });
});

/** The same certificate at an address that it does not name. */
async function receiveElsewhere(port: number): Promise<Receiver> {
  const receiver = await receiveSecurely(byPath, identity, { host: "127.0.0.2", port });
  open.push(receiver);
  return receiver;
}

it.each(["http", "https"])("no proxy of the environment is asked, by %s", async (scheme) => {
  const proxy = await receive((response) => void response.end());
  const receiver = await (scheme === "http" ? receive(byPath) : receiveSecurely(byPath, identity));
  open.push(proxy, receiver);
  const names = ["http_proxy", "https_proxy", "all_proxy", "npm_config_proxy"];
  const env = Object.fromEntries(
    names.flatMap((name) => [name, name.toUpperCase()]).map((name) => [name, `http://127.0.0.1:${proxy.port}`]),
  );
  const call = { ...someCall, url: `${scheme}://localhost:${receiver.port}/` };
  const outcome = await callFrom({ ...env, NODE_USE_ENV_PROXY: "1", no_proxy: "" }, call);
  expect(outcome).toMatchObject({ succeeded: true, error: "" });
  expect([proxy.connections(), receiver.requests.length]).toEqual([0, 1]);
});
