import type { LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { HTTP } from "cloudevents";
import { Webhook } from "standardwebhooks";
import { someCall } from "../../packages/scheduler/src/targets/webhook-call.fixture.js";
import type { WebhookCall } from "../../packages/scheduler/src/targets/webhook-call.js";
import {
  createWebhookClient,
  type WebhookClient,
  type WebhookClientOptions,
} from "../../packages/scheduler/src/targets/webhook-client.js";
import type { WebhookOutcome } from "../../packages/scheduler/src/targets/webhook-outcome.js";
import { noWebhookSecrets, parseWebhookSecrets } from "../../packages/scheduler/src/targets/webhook-secrets.js";
import { eventually } from "../setup/eventually.js";
import { type Answer, type Receiver, receive, receiveRaw } from "./webhook-receiver.js";

const never = new AbortController().signal;
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

function clientWith(options: Partial<WebhookClientOptions> = {}): WebhookClient {
  const client = createWebhookClient({
    allowCidrs: ["127.0.0.0/8"],
    secrets: noWebhookSecrets,
    nowMs: () => Date.now(),
    ...options,
  });
  open.push(client);
  return client;
}

async function opened(opening: Promise<Receiver>): Promise<Receiver> {
  const receiver = await opening;
  open.push(receiver);
  return receiver;
}

const receiver = (answer: Answer): Promise<Receiver> => opened(receive(answer));
const ok: Answer = (response) => void response.end("ok");

const to = ({ port }: Receiver, changes: Partial<WebhookCall> = {}): WebhookCall => ({
  ...someCall,
  url: `http://127.0.0.1:${port}/hook`,
  ...changes,
});

/** What a client makes of a receiver, in a time that a test can wait for. */
async function outcomeWith(answer: Answer, changes: Partial<WebhookCall> = {}): Promise<WebhookOutcome> {
  return clientWith().call(to(await receiver(answer), changes), never);
}

describe("a call", () => {
  it("succeeds with a 2xx, and its connection serves the next", async () => {
    const server = await receiver(ok);
    const client = clientWith();
    for (const attempt of [1, 2, 3]) {
      expect(await client.call(to(server, { attempt }), never)).toEqual({
        succeeded: true,
        failure: "NONE",
        httpStatus: 200,
        retryAfterMs: undefined,
        error: "",
      });
    }
    expect(server.requests.map(({ headers }) => headers["ce-attempt"])).toEqual(["1", "2", "3"]);
    expect(server.connections()).toBe(1);
  });

  it.each(["POST", "PUT", "PATCH", "DELETE", "GET"])("is sent by %s", async (method) => {
    const server = await receiver(ok);
    const outcome = await clientWith().call(to(server, { method, body: "text" }), never);
    expect(outcome.error).toBe("");
    const [request] = server.requests;
    expect([request?.method, request?.path, request?.body.toString()]).toEqual([
      method,
      "/hook",
      method === "GET" ? "" : "text",
    ]);
    expect(request?.headers["transfer-encoding"]).toBeUndefined();
  });

  it.each(["BINARY", "STRUCTURED"] as const)("is an event that is signed, in mode %s", async (contentMode) => {
    const secrets = [24, 32].map((bytes) => `whsec_${Buffer.alloc(bytes, "k").toString("base64")}`);
    const file = secrets.map((secret) => `billing ${secret}`).join("\n");
    const server = await receiver(ok);
    const client = clientWith({ secrets: parseWebhookSecrets(file).secrets });
    const body = '{"größe":1}';
    await client.call(to(server, { contentMode, body, secretName: "billing" }), never);
    const { headers, body: sent } = server.requests[0]!;
    const event = HTTP.toEvent({ headers: { ...headers }, body: sent.toString() });
    expect(event).toMatchObject({ id: "7.1790000000000", source: "/tasks/7", data: { größe: 1 } });
    expect(headers).toMatchObject({ "webhook-id": "7_1790000000000", "taskscheduler-attempt": "2" });
    for (const secret of secrets) expect(() => new Webhook(secret).verify(sent, headers)).not.toThrow();
  });

  it("is not sent where there is no such secret", async () => {
    const server = await receiver(ok);
    const outcome = await clientWith().call(to(server, { secretName: "billing" }), never);
    expect(outcome).toMatchObject({ failure: "SECRET_UNKNOWN", error: expect.stringContaining('"billing"') });
    expect(server.connections()).toBe(0);
  });
});

describe("a receiver that answers otherwise", () => {
  it("is told of by its status and the beginning of its text", async () => {
    const outcome = await outcomeWith((response) => {
      response.statusCode = 500;
      response.end(`no\r\n\u0007 room ${"x".repeat(1_000_000)}`);
    });
    expect(outcome).toMatchObject({ succeeded: false, failure: "RESPONSE", httpStatus: 500 });
    expect(outcome.error).toMatch(/^HTTP 500: no room x{191}…$/);
  });

  it("with 410 is a failure like others", async () => {
    const outcome = await outcomeWith((response) => void response.writeHead(410).end());
    expect(outcome).toMatchObject({ failure: "RESPONSE", httpStatus: 410, error: "HTTP 410" });
  });

  it.each([
    ["seconds", "7"],
    ["a date", new Date(1_790_000_007_000).toUTCString()],
  ])("with 429 says by %s when to try again", async (_, retryAfter) => {
    const server = await receiver((response) => void response.writeHead(429, { "retry-after": retryAfter }).end());
    const outcome = await clientWith({ nowMs: () => 1_790_000_000_000 }).call(to(server), never);
    expect(outcome).toMatchObject({ failure: "RESPONSE", httpStatus: 429, retryAfterMs: 7_000 });
  });

  it("with compressed text is told of by its status", async () => {
    const outcome = await outcomeWith(
      (response) => void response.writeHead(500, { "content-encoding": "gzip" }).end("\u001f\u008b"),
    );
    expect(outcome.error).toBe("HTTP 500");
  });

  it.each([301, 302, 303, 307, 308])("with the redirect %d is not followed", async (status) => {
    const inner = await receiver(ok);
    const location = `http://127.0.0.1:${inner.port}/${"x".repeat(200)}`;
    const outcome = await outcomeWith((response) => void response.writeHead(status, { location }).end());
    expect(outcome).toMatchObject({ failure: "RESPONSE", httpStatus: status });
    expect(outcome.error).toBe(`HTTP ${status}: redirects are not followed (to ${location.slice(0, 99)}…)`);
    expect(inner.connections()).toBe(0);
  });
});

describe("a receiver that does not come to an end", () => {
  const timeoutMs = 300;

  it("and never answers is given up in time", async () => {
    const outcome = await outcomeWith(() => undefined, { timeoutMs });
    expect(outcome).toMatchObject({ failure: "TIMEOUT", httpStatus: 0, error: "timed out after 0.3 s" });
  });

  it("and accepts a connection alone is given up in time", async () => {
    const server = await opened(receiveRaw(() => undefined));
    const outcome = await clientWith().call(to(server, { timeoutMs }), never);
    expect(outcome).toMatchObject({ failure: "TIMEOUT", error: "timed out after 0.3 s" });
  });

  it("and never begins TLS is given up in time", async () => {
    const server = await opened(receiveRaw(() => undefined));
    const url = `https://127.0.0.1:${server.port}/`;
    const outcome = await clientWith().call(to(server, { url, timeoutMs }), never);
    expect(outcome).toMatchObject({ failure: "TIMEOUT", error: "timed out after 0.3 s" });
  });

  it("and stops amid its body is given up in time", async () => {
    const outcome = await outcomeWith((response) => void response.writeHead(200).write("begun"), { timeoutMs });
    expect(outcome).toMatchObject({
      succeeded: false,
      failure: "TIMEOUT",
      httpStatus: 200,
      error: "timed out after 0.3 s, in the response with HTTP 200",
    });
  });

  it.each(["the head", "the body"])(
    "and sends %s byte by byte is given up in time, however often one comes",
    async (part) => {
      const server = await opened(
        receiveRaw((socket) => {
          socket.write(part === "the head" ? "HTTP/1.1 200 OK\r\nx-a: " : "HTTP/1.1 200 OK\r\n\r\n");
          const drip = setInterval(() => socket.write("x"), 10);
          socket.on("close", () => clearInterval(drip));
        }),
      );
      const outcome = await clientWith().call(to(server, { timeoutMs }), never);
      expect(outcome).toMatchObject({ failure: "TIMEOUT", httpStatus: part === "the head" ? 0 : 200 });
    },
  );

  it("with its body is cut off after 64 KiB, and has answered", async () => {
    let sentBytes = 0;
    let isCut = false;
    const outcome = await outcomeWith((response) => {
      const chunk = "x".repeat(16 * 1024);
      const send = (): void => {
        while (!response.destroyed && response.write(chunk)) sentBytes += chunk.length;
      };
      response.on("drain", send);
      response.on("close", () => {
        isCut = true;
      });
      send();
    });
    expect(outcome).toMatchObject({ succeeded: true, httpStatus: 200 });
    await eventually("the connection is cut", () => isCut);
    // What the sockets of both sides hold comes on top.
    expect(sentBytes).toBeLessThan(16 * 1024 * 1024);
  });

  it("with its headers is cut off", async () => {
    const outcome = await outcomeWith((response) => void response.writeHead(200, { "x-a": "y".repeat(100_000) }).end());
    expect(outcome).toMatchObject({
      failure: "CONNECTION",
      error: "connection failed: the response's headers are larger than 64 KiB",
    });
  });
});

describe("a receiver that is not there", () => {
  it("refuses the connection", async () => {
    const server = await receive(ok);
    await server.close();
    const outcome = await clientWith().call(to(server), never);
    expect(outcome).toMatchObject({ failure: "CONNECTION", httpStatus: 0 });
    expect(outcome.error).toBe(`connection failed: connect ECONNREFUSED 127.0.0.1:${server.port}`);
  });

  it("resets the connection", async () => {
    const server = await opened(receiveRaw((socket) => socket.on("data", () => socket.resetAndDestroy())));
    const outcome = await clientWith().call(to(server), never);
    expect(outcome).toMatchObject({ failure: "CONNECTION", error: expect.stringContaining("ECONNRESET") });
  });

  it("breaks off amid its body", async () => {
    const head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive.";
    const server = await opened(receiveRaw((socket) => socket.on("data", () => socket.end(head))));
    const outcome = await clientWith().call(to(server), never);
    expect(outcome).toMatchObject({ succeeded: false, failure: "CONNECTION", httpStatus: 200 });
  });

  it("speaks something else", async () => {
    const server = await opened(receiveRaw((socket) => socket.on("data", () => socket.end("220 mail ready\r\n"))));
    const outcome = await clientWith().call(to(server), never);
    expect(outcome).toMatchObject({ failure: "CONNECTION", httpStatus: 0 });
  });

  it("has no name", async () => {
    const lookup: LookupFunction = (hostname, _, callback) =>
      callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: "ENOTFOUND" }), []);
    const outcome = await clientWith({ lookup }).call({ ...someCall, url: "http://a.example/" }, never);
    expect(outcome.error).toBe("connection failed: getaddrinfo ENOTFOUND a.example");
  });
});

describe("a call that is aborted", () => {
  it.each(["the signal", "the client's end"])("by %s ends at once", async (by) => {
    const server = await receiver(() => undefined);
    const client = clientWith();
    const controller = new AbortController();
    const calling = client.call(to(server), controller.signal);
    await eventually("the request has arrived", () => server.requests.length === 1);
    if (by === "the signal") controller.abort();
    else await client.close();
    expect(await calling).toMatchObject({ succeeded: false, failure: "ABORTED", error: "aborted by the scheduler" });
  });

  it("before it begins is not sent", async () => {
    const server = await receiver(ok);
    const client = clientWith();
    expect(await client.call(to(server), AbortSignal.abort())).toMatchObject({ failure: "ABORTED" });
    await client.close();
    await client.close();
    expect(await client.call(to(server), never)).toMatchObject({ failure: "ABORTED" });
    expect(server.connections()).toBe(0);
  });

  it("while its name is looked up ends at once, and so does one whose time is over", async () => {
    let lookups = 0;
    const lookup: LookupFunction = () => void lookups++;
    const client = clientWith({ lookup });
    const controller = new AbortController();
    const call = { ...someCall, url: "http://a.example/" };
    const calling = client.call(call, controller.signal);
    expect(await client.call({ ...call, timeoutMs: 100 }, never)).toMatchObject({ failure: "TIMEOUT" });
    expect(lookups).toBe(2);
    controller.abort();
    expect(await calling).toMatchObject({ failure: "ABORTED" });
  });
});

describe("many calls of one receiver", () => {
  it("have a connection each, and those after them take these up", async () => {
    const answers: (() => void)[] = [];
    const server = await receiver((response) => void answers.push(() => response.end()));
    const client = clientWith();
    const calls = () => Array.from({ length: 20 }, (_, attempt) => client.call(to(server, { attempt }), never));
    for (const count of [20, 40]) {
      const ended = calls();
      await eventually("all are under way", () => server.requests.length === count);
      for (const answer of answers.splice(0)) answer();
      for (const outcome of await Promise.all(ended)) expect(outcome.succeeded).toBe(true);
    }
    expect(server.connections()).toBe(20);
  });
});

/** Answers each look-up with the next addresses; the last ones remain. */
function resolver(...answers: readonly (readonly string[])[]) {
  const asked: string[] = [];
  const lookup: LookupFunction = (hostname, _, callback) => {
    const addresses = answers[Math.min(asked.push(hostname), answers.length) - 1] ?? [];
    const found: LookupAddress[] = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    callback(null, found);
  };
  return { lookup, asked };
}

describe("an address that may not be called", () => {
  const refusal = "127.0.0.1 is a loopback address; TARGET_ALLOW_CIDRS has no range with it";

  it.each(["127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "127.0.0.1.", "[::ffff:127.0.0.1]"])(
    "gets no connection when it is written as %s",
    async (host) => {
      const server = await receiver(ok);
      const url = `http://${host}:${server.port}/`;
      const outcome = await clientWith({ allowCidrs: [] }).call({ ...someCall, url }, never);
      expect(outcome).toMatchObject({ succeeded: false, failure: "BLOCKED", httpStatus: 0 });
      expect(outcome.error).toMatch(/^blocked: \S+ is a loopback address; TARGET_ALLOW_CIDRS has no range with it$/);
      expect(server.connections()).toBe(0);
    },
  );

  it.each(["http", "https"])("gets no connection by %s when a name stands for it", async (scheme) => {
    const server = await receiver(ok);
    const { lookup } = resolver(["127.0.0.1"]);
    const url = `${scheme}://a.example:${server.port}/`;
    const outcome = await clientWith({ allowCidrs: [], lookup }).call({ ...someCall, url }, never);
    expect(outcome).toMatchObject({ failure: "BLOCKED", error: `blocked: ${refusal}` });
    expect(server.connections()).toBe(0);
  });

  it("gets none by the system's own name for it", async () => {
    const server = await receiver(ok);
    const url = `http://localhost:${server.port}/`;
    const outcome = await clientWith({ allowCidrs: [] }).call({ ...someCall, url }, never);
    expect(outcome.failure).toBe("BLOCKED");
    expect(server.connections()).toBe(0);
  });

  it("gets none when a name comes to stand for it after an attempt went elsewhere", async () => {
    const allowed = await receiver((response) => void response.writeHead(500, { connection: "close" }).end());
    const inner = await opened(receive(ok, { host: "127.0.0.2", port: allowed.port }));
    const { lookup, asked } = resolver(["127.0.0.1"], ["127.0.0.2"]);
    const client = clientWith({ allowCidrs: ["127.0.0.1/32"], lookup });
    const call = { ...someCall, url: `http://a.example:${allowed.port}/` };
    expect(await client.call(call, never)).toMatchObject({ failure: "RESPONSE", httpStatus: 500 });
    const second = await client.call(call, never);
    expect(second).toMatchObject({ failure: "BLOCKED", error: expect.stringMatching(/^blocked: 127\.0\.0\.2 is /) });
    expect(asked).toEqual(["a.example", "a.example"]);
    expect(inner.connections()).toBe(0);
  });

  it("is looked up once for a connection, so that no check and use can differ", async () => {
    const allowed = await receiver(ok);
    const { lookup, asked } = resolver(["127.0.0.1"], ["127.0.0.2"]);
    const client = clientWith({ allowCidrs: ["127.0.0.1/32"], lookup });
    const call = { ...someCall, url: `http://a.example:${allowed.port}/` };
    expect(await client.call(call, never)).toMatchObject({ succeeded: true });
    // Kept open, the connection leads where it was judged to lead.
    expect(await client.call(call, never)).toMatchObject({ succeeded: true });
    expect([asked.length, allowed.connections()]).toEqual([1, 1]);
  });

  it("is passed over where a name stands for others too", async () => {
    const inner = await opened(receive(ok, { host: "127.0.0.2" }));
    const allowed = await opened(receive(ok, { host: "127.0.0.1", port: inner.port }));
    const { lookup } = resolver(["127.0.0.2", "::1", "10.0.0.1", "127.0.0.1"]);
    const client = clientWith({ allowCidrs: ["127.0.0.1/32"], lookup });
    const outcome = await client.call({ ...someCall, url: `http://a.example:${inner.port}/` }, never);
    expect(outcome).toMatchObject({ succeeded: true });
    expect([inner.connections(), allowed.connections()]).toEqual([0, 1]);
  });

  it("is not fallen back to where the allowed ones fail", async () => {
    const inner = await opened(receive(ok, { host: "127.0.0.2" }));
    const { lookup } = resolver(["127.0.0.1", "127.0.0.3", "127.0.0.2"]);
    const client = clientWith({ allowCidrs: ["127.0.0.1/32", "127.0.0.3/32"], lookup });
    const outcome = await client.call({ ...someCall, url: `http://a.example:${inner.port}/` }, never);
    expect(outcome).toMatchObject({ failure: "CONNECTION" });
    expect(outcome.error).toMatch(/ECONNREFUSED 127\.0\.0\.1:\d+; .*ECONNREFUSED 127\.0\.0\.3:\d+$/);
    expect(inner.connections()).toBe(0);
  });
});
