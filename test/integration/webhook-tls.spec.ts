import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { someCall } from "../../packages/scheduler/src/targets/webhook-call.fixture.js";
import type { WebhookCall } from "../../packages/scheduler/src/targets/webhook-call.js";
import type { WebhookOutcome } from "../../packages/scheduler/src/targets/webhook-outcome.js";
import { createIdentity } from "../setup/self-signed.js";
import { type Answer, type Receiver, receive, receiveSecurely } from "./webhook-receiver.js";

const run = promisify(execFile);
const dir = mkdtempSync(join(tmpdir(), "taskscheduler-webhook-"));
const certFile = join(dir, "cert.pem");
const identity = createIdentity();
const open: Receiver[] = [];

beforeAll(() => writeFileSync(certFile, identity.cert));
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function secureReceiver(answer: Answer): Promise<Receiver> {
  const receiver = await receiveSecurely(answer, identity);
  open.push(receiver);
  return receiver;
}

/** By a process that trusts the receiver's certificate, unless the environment says otherwise. */
async function callAll(calls: readonly WebhookCall[], env: Record<string, string> = {}): Promise<WebhookOutcome[]> {
  const args = [join(__dirname, "webhook-caller.mjs"), JSON.stringify(calls)];
  const { stdout } = await run(process.execPath, args, {
    env: { PATH: process.env["PATH"], NODE_EXTRA_CA_CERTS: certFile, ...env },
    timeout: 30_000,
  });
  return JSON.parse(stdout) as WebhookOutcome[];
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

describe("a certificate", () => {
  it("that nobody vouches for is not taken", async () => {
    const receiver = await secureReceiver(byPath);
    const [outcome] = await callAll([to(receiver, "/")], { NODE_EXTRA_CA_CERTS: "" });
    expect(outcome).toMatchObject({ failure: "CONNECTION", error: "connection failed: self-signed certificate" });
    expect(receiver.requests).toEqual([]);
  });

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

it("no proxy of the environment is asked", async () => {
  const proxy = await receive((response) => void response.end());
  const receiver = await receive((response) => void response.end());
  open.push(proxy, receiver);
  const url = `http://127.0.0.1:${receiver.port}/`;
  const http = `http://127.0.0.1:${proxy.port}`;
  const env = { HTTP_PROXY: http, http_proxy: http, ALL_PROXY: http, NODE_USE_ENV_PROXY: "1" };
  const [outcome] = await callAll([{ ...someCall, url }], env);
  expect(outcome).toMatchObject({ succeeded: true });
  expect([proxy.connections(), receiver.requests.length]).toEqual([0, 1]);
});
