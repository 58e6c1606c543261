import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ExecutionState } from "@taskscheduler/proto";
import { someCall } from "../../packages/scheduler/src/targets/webhook-call.fixture.js";
import { createWebhookClient, type WebhookClient } from "../../packages/scheduler/src/targets/webhook-client.js";
import { parseWebhookProxy } from "../../packages/scheduler/src/targets/webhook-proxy.js";
import { noWebhookSecrets } from "../../packages/scheduler/src/targets/webhook-secrets.js";
import { eventually } from "../setup/eventually.js";
import { killAll, startApi, startScheduler } from "../setup/processes.js";
import { createIdentity } from "../setup/self-signed.js";
import { createTaskClient } from "../setup/task-client.js";
import { createTestDatabase } from "../setup/test-database.js";
import { startCaller } from "./caller-process.js";
import { type ConnectProxy, startConnectProxy } from "./connect-proxy.js";
import { type Answer, receive, receiveSecurely } from "./webhook-receiver.js";

const never = new AbortController().signal;
const ok: Answer = (response) => void response.end("ok");
const PASSWORD = "hunter2 %40/:é";
const credentials = `user:${encodeURIComponent(PASSWORD)}`;
const open: { close(): Promise<void> }[] = [];
let proxy: ConnectProxy;

beforeEach(async () => {
  proxy = await opened(startConnectProxy());
});
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function opened<T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> {
  const each = await opening;
  open.push(each);
  return each;
}

interface ClientOptions {
  readonly allowCidrs?: readonly string[];
  readonly port?: number;
}

/** A client that fails where it looks any name up. */
function clientBehind({ allowCidrs = [], port = proxy.port }: ClientOptions = {}): WebhookClient {
  const lookup: LookupFunction = (hostname) => {
    throw new Error(`the name ${hostname} was looked up`);
  };
  const url = `http://${credentials}@127.0.0.1:${port}`;
  const options = { allowCidrs, secrets: noWebhookSecrets, lookup, nowMs: () => Date.now() };
  const client = createWebhookClient({ ...options, proxy: parseWebhookProxy(url)! });
  open.push(client);
  return client;
}

const answerWith =
  (response: string) =>
  (socket: Duplex): void =>
    void socket.end(response);

describe("webhooks through a proxy", () => {
  it("share a tunnel to a receiver, whose name the proxy looks up", async () => {
    const receiver = await opened(receive(ok));
    const client = clientBehind();
    const call = { ...someCall, url: `http://hook.example:${receiver.port}/hook?x=1` };
    for (const attempt of [1, 2]) expect(await client.call({ ...call, attempt }, never)).toMatchObject({ error: "" });
    expect(proxy.connects).toEqual([{ authority: `hook.example:${receiver.port}`, credentials: `user:${PASSWORD}` }]);
    expect(receiver.requests.map(({ path, headers }) => [path, headers["host"]])).toEqual(
      Array(2).fill(["/hook?x=1", `hook.example:${receiver.port}`]),
    );
    expect(JSON.stringify(receiver.requests[0]?.headers)).not.toContain("proxy");
  });

  it("are encrypted from end to end, over HTTP/2 too", async () => {
    const dir = mkdtempSync(join(tmpdir(), "taskscheduler-proxy-"));
    const identity = createIdentity();
    writeFileSync(join(dir, "cert.pem"), identity.cert);
    const receiver = await opened(receiveSecurely(ok, identity));
    const caller = startCaller({ NODE_EXTRA_CA_CERTS: join(dir, "cert.pem") }, `http://127.0.0.1:${proxy.port}`);
    const outcomes = await caller.callAll([
      { ...someCall, url: `https://localhost:${receiver.port}/` },
      { ...someCall, url: `https://elsewhere.example:${receiver.port}/` },
    ]);
    await caller.stop();
    rmSync(dir, { recursive: true });
    expect(outcomes).toMatchObject([
      { succeeded: true, error: "" },
      { failure: "CONNECTION", error: expect.stringContaining("altnames") },
    ]);
    expect(receiver.requests.map(({ httpVersion }) => httpVersion)).toEqual(["2.0"]);
    expect(proxy.connects.map(({ authority }) => authority)).toEqual([
      `localhost:${receiver.port}`,
      `elsewhere.example:${receiver.port}`,
    ]);
  });

  it.each([
    "127.0.0.1",
    "127.1",
    "[::1]",
    "[::ffff:10.0.0.1]",
    "10.0.0.1",
    "169.254.169.254",
    "localhost",
    "a.localhost.",
  ])("never reach the address %s, which may not be called", async (host) => {
    const outcome = await clientBehind().call({ ...someCall, url: `http://${host}:8080/` }, never);
    expect(outcome).toMatchObject({ failure: "BLOCKED", error: expect.stringMatching(/^blocked: /) });
    expect(proxy.connects).toEqual([]);
  });

  it("reach an address that may be called", async () => {
    const receiver = await opened(receive(ok));
    const client = clientBehind({ allowCidrs: ["127.0.0.1/32", "::1/128"] });
    for (const host of ["127.0.0.1", "[::1]", "localhost"]) {
      expect(await client.call({ ...someCall, url: `http://${host}:${receiver.port}/` }, never)).toMatchObject({
        error: "",
      });
    }
    expect(proxy.connects.map(({ authority }) => authority)).toEqual(
      ["127.0.0.1", "[::1]", "localhost"].map((host) => `${host}:${receiver.port}`),
    );
  });

  it("name the port that a URL leaves out", async () => {
    proxy.answer = answerWith("HTTP/1.1 403 Forbidden\r\n\r\n");
    const client = clientBehind();
    for (const scheme of ["http", "https"]) await client.call({ ...someCall, url: `${scheme}://hook.example/` }, never);
    expect(proxy.connects.map(({ authority }) => authority)).toEqual(["hook.example:80", "hook.example:443"]);
  });
});

describe("a proxy that fails", () => {
  const call = { ...someCall, url: "http://hook.example/" };

  it.each<[what: string, answer: (socket: Duplex) => void, error: string]>([
    [
      "wants other credentials",
      answerWith(
        "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 2\r\n\r\nno",
      ),
      "it answered CONNECT with HTTP 407",
    ],
    ["refuses", answerWith("HTTP/1.1 403 Forbidden\r\n\r\n"), "it answered CONNECT with HTTP 403"],
    ["cannot reach the receiver", answerWith("HTTP/1.0 502 Bad Gateway\r\n\r\n"), "it answered CONNECT with HTTP 502"],
    ["redirects", answerWith("HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n"), "it answered CONNECT with HTTP 302"],
    ["closes", answerWith(""), "ECONNRESET"],
    ["is no proxy", answerWith("220 mail ready\r\n"), "HPE_INVALID_CONSTANT"],
  ])("and %s is told apart from the receiver, and tried again", async (_, answer, error) => {
    proxy.answer = answer;
    const outcome = await clientBehind().call(call, never);
    expect(outcome).toEqual({
      ...{ succeeded: false, failure: "CONNECTION", httpStatus: 0, retryAfterMs: undefined },
      error: `proxy failed: ${error}`,
    });
  });

  it("and is not there is told apart, without its address", async () => {
    await open.pop()!.close();
    const outcome = await clientBehind().call(call, never);
    expect(outcome).toMatchObject({ failure: "CONNECTION", error: "proxy failed: ECONNREFUSED" });
  });

  it("and never answers takes no longer than the call may", async () => {
    proxy.answer = () => undefined;
    const outcome = await clientBehind().call({ ...call, timeoutMs: 200 }, never);
    expect(outcome).toMatchObject({ failure: "TIMEOUT", error: "timed out after 0.2 s" });
    const controller = new AbortController();
    const calling = clientBehind().call(call, controller.signal);
    await eventually("the proxy is asked again", () => proxy.connects.length === 2);
    controller.abort();
    expect(await calling).toMatchObject({ failure: "ABORTED" });
  });

  it("amid a response is the receiver's failure, as far as anybody can tell", async () => {
    const receiver = await opened(
      receive((response) => void response.writeHead(200).write("begun", () => proxy.cut())),
    );
    const outcome = await clientBehind().call({ ...call, url: `http://hook.example:${receiver.port}/` }, never);
    expect(outcome).toMatchObject({ failure: "CONNECTION", error: expect.stringMatching(/^connection failed/) });
  });
});

it("a scheduler sends all webhooks through the proxy of WEBHOOK_PROXY_URL, and never tells its password", async () => {
  const dir = mkdtempSync(join(tmpdir(), "taskscheduler-proxy-"));
  const urlFile = join(dir, "proxy");
  writeFileSync(urlFile, `http://${credentials}@127.0.0.1:${proxy.port}\n`);
  const database = await createTestDatabase();
  const receiver = await opened(receive(ok));
  const api = await startApi({ databaseUrl: database.url, env: { LOG_LEVEL: "trace" } });
  const scheduler = await startScheduler({
    apiAddress: api.grpcAddress,
    env: { WEBHOOK_PROXY_URL_FILE: urlFile, LOG_LEVEL: "trace" },
  });
  const client = createTaskClient(api.grpcAddress);
  try {
    await Promise.all([api.ready(), scheduler.ready()]);
    const run = async (name: string, ...states: ExecutionState[]) => {
      const url = `http://hook.example:${receiver.port}/`;
      const retryPolicy = { maxAttempts: 2, initialBackoff: durationFromMs(10) };
      const { task } = await client.tasks.unary("createTask", {
        task: { name, scheduledTime: timestampFromMs(Date.now()), webhook: { url }, retryPolicy },
      });
      return eventually(`${name} has run`, async () => {
        const { executions } = await client.executions.unary("listExecutions", { taskId: task!.id });
        return executions.find(({ state }) => states.includes(state));
      });
    };
    expect(await run("through", ExecutionState.SUCCEEDED, ExecutionState.FAILED)).toMatchObject({ httpStatus: 200 });
    proxy.cut();
    proxy.answer = answerWith("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    const refused = await run("refused", ExecutionState.FAILED);
    expect(refused).toMatchObject({ error: "proxy failed: it answered CONNECT with HTTP 407", attempt: 2 });
    const told = api.output() + scheduler.output() + JSON.stringify(refused.attempts.map(({ error }) => error));
    for (const secret of ["hunter2", Buffer.from(`user:${PASSWORD}`).toString("base64")]) {
      expect(told).not.toContain(secret);
    }
  } finally {
    client.close();
    await killAll();
    await database.drop();
    rmSync(dir, { recursive: true });
  }
});
