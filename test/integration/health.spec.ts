import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { Health } from "@taskscheduler/proto";
import { freePort } from "../../scripts/ports.mjs";
import { grpcClient } from "../setup/clients.js";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, startApi } from "../setup/processes.js";
import { type ApiFixture, CLIENTS, clientsOf, faultOf, startApiFixture } from "./api-fixture.js";

const SERVICES = ["", ...["TaskService", "ExecutionService"].map((name) => `taskscheduler.v1.${name}`)];
const [SERVING, NOT_SERVING] = [1, 2];

let fixture: ApiFixture;

beforeAll(async () => {
  fixture = await startApiFixture();
});
afterAll(() => fixture?.stop());

async function probe(path: string, api: ApiProcess = fixture.api): Promise<[number, string]> {
  const response = await fetch(`${api.httpUrl}${path}`, { headers: { connection: "close" } });
  return [response.status, await response.text()];
}

async function healthOf(service: string, api: ApiProcess = fixture.api): Promise<number> {
  const client = grpcClient(Health, api.grpcAddress);
  return client
    .unary("check", { service })
    .then(({ status }) => status)
    .finally(() => client.close());
}

function watchHealth(api: ApiProcess) {
  const client = grpcClient(Health, api.grpcAddress);
  const seen: number[] = [];
  const stream = client.stream("watch", { service: "" });
  stream.on("data", ({ status }: { status: number }) => seen.push(status));
  const ended = once(stream, "error").finally(() => client.close());
  return { seen, ended };
}

describe("a process that is ready", () => {
  it("says so over HTTP and gRPC", async () => {
    expect(await probe("/healthz")).toEqual([200, "ok\n"]);
    expect(await probe("/readyz")).toEqual([200, "ready\n"]);
    await eventually("health follows readiness", async () => (await healthOf("")) === SERVING);
    for (const service of SERVICES) expect(await healthOf(service)).toBe(SERVING);
    await expect(healthOf("nobody")).rejects.toMatchObject({ code: 5 });
    const { seen } = watchHealth(fixture.api);
    await eventually("the first health", () => seen.length > 0);
    expect(seen).toEqual([SERVING]);
  });

  it("measures itself", async () => {
    await fixture.client.call("listTasks", {});
    await faultOf(fixture.client.call("getTask", { id: 1 }));
    const [status, text] = await probe("/metrics");
    expect(status).toBe(200);
    const calls = (method: string, code: string) =>
      new RegExp(`^taskscheduler_api_calls_total\\{[^}]*method="${method}",code="${code}"\\} [1-9]`, "m");
    expect(text).toMatch(calls("ListTasks", "OK"));
    expect(text).toMatch(calls("GetTask", "NOT_FOUND"));
    expect(text).toMatch(/^process_cpu_user_seconds_total /m);
  });
});

it("a process without its database lives, is not ready, and says so to callers", async () => {
  const api = await startApi({ databaseUrl: `mariadb://u:p@127.0.0.1:${await freePort()}/d` });
  const clients = clientsOf(api);
  await eventually("it lives", async () => (await probe("/healthz", api))[0] === 200);
  expect((await probe("/readyz", api))[0]).toBe(503);
  expect(await healthOf("", api)).toBe(NOT_SERVING);
  for (const name of CLIENTS) {
    for (const call of [
      clients[name].call("getTask", { id: 1 }),
      clients[name].call("listTasks", {}),
      clients[name].call("pauseTask", { id: 1 }),
    ]) {
      expect(await faultOf(call)).toMatchObject({ code: "UNAVAILABLE", reason: "DATABASE_UNAVAILABLE" });
    }
  }
  const { occurrences } = await clients.gRPC.call("previewSchedule", { scheduledTime: { seconds: 4_000_000_000n } });
  expect(occurrences).toHaveLength(1);
  clients.close();
  expect(await api.stop()).toBe(0);
});

describe.each(["SIGTERM", "SIGINT"] as const)("%s", (signal) => {
  it("takes readiness first, ends streams with UNAVAILABLE, and exits with 0", async () => {
    const api = await startApi({ databaseUrl: fixture.database.url, env: { SHUTDOWN_GRACE_MS: "5000" } });
    await api.ready();
    await eventually("health follows readiness", async () => (await healthOf("", api)) === SERVING);
    const clients = clientsOf(api);
    const watches = CLIENTS.flatMap((name) => [
      clients[name].watch("watchTasks"),
      clients[name].watch("watchExecutions"),
    ]);
    for (const watch of watches) await watch.until("the snapshot is complete", (events) => events.length === 1);
    const health = watchHealth(api);
    await eventually("the first health", () => health.seen.length === 1);
    // A request that has begun and not ended: the connection stays, and is answered, while the process stops.
    const socket = connect(Number(new URL(api.httpUrl).port), "127.0.0.1");
    socket.write("GET /readyz HTTP/1.1\r\nHost: x\r\n");
    await faultOf(clients.gRPC.call("getTask", { id: 1 }));

    const startMs = performance.now();
    api.signal(signal);
    await eventually("health is told", () => health.seen.length === 2);
    expect(health.seen).toEqual([SERVING, NOT_SERVING]);
    expect(await restOf(socket)).toMatch(/^HTTP\/1\.1 503 .*\r\n\r\nnot ready: the process is stopping\n$/s);
    for (const watch of watches) {
      expect(await watch.ended).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
    }
    expect(await api.exited).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(5_000);
    await health.ended;
    clients.close();
  });
});

async function restOf(socket: Socket): Promise<string> {
  const chunks: string[] = [];
  socket.setEncoding("utf8").on("data", (chunk: string) => chunks.push(chunk));
  const closed = once(socket, "close");
  socket.write("\r\n");
  await closed;
  return chunks.join("");
}

describe("a wrong environment", () => {
  async function startFaulty(name: "api" | "scheduler", env: Record<string, string>): Promise<string[]> {
    const main = join(__dirname, "../..", "packages", name, "dist", "main.js");
    return new Promise((resolve, reject) => {
      execFile(process.execPath, [main], { env, timeout: 10_000 }, (error, stdout, stderr) => {
        if (error?.code === 78 && stdout === "") resolve(stderr.trimEnd().split("\n"));
        else reject(new Error(`exit code ${error?.code}: ${stdout}${stderr}`));
      });
    });
  }
  const variablesOf = (lines: readonly string[]) =>
    [...new Set(lines.map((line) => /^[A-Z_]+/.exec(line)?.[0]))].sort();
  const url = "mariadb://user:hunter2@localhost/db";

  it.each<["api" | "scheduler", string, Record<string, string>, readonly string[]]>([
    ["api", "nothing", {}, ["DATABASE_URL"]],
    ["api", "empty variables", { DATABASE_URL: "", HTTP_PORT: "" }, ["DATABASE_URL"]],
    [
      "api",
      "all wrong",
      {
        DATABASE_URL: "mysql://user:hunter2@localhost/db",
        HTTP_PORT: "http",
        GRPC_PORT: "65536",
        HOST: "a b",
        MIGRATE_ON_START: "yes",
        AUTH: "on",
        CORS_ORIGINS: "https://example.com/path",
        LEASE_MS: "0",
        MAX_CONNECTION_AGE_MS: "999",
        CHANGE_RETENTION_MS: "1d",
        EXECUTION_RETENTION_MS: "-1",
        LOG_LEVEL: "loud",
        SHUTDOWN_GRACE_MS: "1.5",
      },
      [
        ...["AUTH", "CHANGE_RETENTION_MS", "CORS_ORIGINS", "DATABASE_URL", "EXECUTION_RETENTION_MS", "GRPC_PORT"],
        ...[
          "HOST",
          "HTTP_PORT",
          "LEASE_MS",
          "LOG_LEVEL",
          "MAX_CONNECTION_AGE_MS",
          "MIGRATE_ON_START",
          "SHUTDOWN_GRACE_MS",
        ],
      ],
    ],
    ["api", "several hosts", { DATABASE_URL: "mariadb://user:hunter2@h1,h2:3306/db" }, ["DATABASE_URL"]],
    ["api", "an unknown parameter", { DATABASE_URL: `${url}?sslmode=require` }, ["DATABASE_URL"]],
    ["api", "a socket's path", { DATABASE_URL: "mariadb://user:hunter2@%2Ftmp%2Fs/db" }, ["DATABASE_URL"]],
    ["api", "a folder", { DATABASE_URL_FILE: "/" }, ["DATABASE_URL_FILE"]],
    ["api", "a file without an end", { DATABASE_URL_FILE: "/dev/zero" }, ["DATABASE_URL_FILE"]],
    [
      "api",
      "a CA that is none",
      { DATABASE_URL: `${url}?ssl=true`, DATABASE_TLS_CA_FILE: __filename },
      ["DATABASE_TLS_CA_FILE"],
    ],
    ["api", "a CA without TLS", { DATABASE_URL: url, DATABASE_TLS_CA_FILE: __filename }, ["DATABASE_TLS_CA_FILE"]],
    ["api", "one port for two", { DATABASE_URL: url, HTTP_PORT: "8000", GRPC_PORT: "8000" }, ["GRPC_PORT"]],
    ["api", "an open address without AUTH", { DATABASE_URL: url, HOST: "0.0.0.0" }, ["HOST"]],
    ["api", "a file that is not there", { DATABASE_URL_FILE: "/no/such/hunter2" }, ["DATABASE_URL_FILE"]],
    [
      "api",
      "two databases",
      { DATABASE_URL: url, DATABASE_URL_FILE: "/dev/null" },
      ["DATABASE_URL", "DATABASE_URL_FILE"],
    ],
    [
      "api",
      "what is not supported yet",
      Object.fromEntries([
        ["DATABASE_URL", url],
        ...["AUTH_TOKENS_FILE", "AUTH_JWKS_URL", "AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_ROLE_CLAIM"].map((v) => [
          v,
          "hunter2",
        ]),
        ...["TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE"].map((v) => [v, "hunter2"]),
      ]),
      [
        ...["AUTH_AUDIENCE", "AUTH_ISSUER", "AUTH_JWKS_URL", "AUTH_ROLE_CLAIM", "AUTH_TOKENS_FILE"],
        ...["TLS_CERT_FILE", "TLS_CLIENT_CA_FILE", "TLS_KEY_FILE"],
      ],
    ],
    [
      "scheduler",
      "all wrong",
      {
        ...{ API_ADDRESS: "nowhere", HOST: "hunter2 b", HTTP_PORT: "x", SCHEDULER_ID: "hunter2\u001b[2J" },
        ...{ MAX_CONCURRENCY: "0", LOG_LEVEL: "loud", SHUTDOWN_GRACE_MS: "x" },
      },
      ["API_ADDRESS", "HOST", "HTTP_PORT", "LOG_LEVEL", "MAX_CONCURRENCY", "SCHEDULER_ID", "SHUTDOWN_GRACE_MS"],
    ],
    [
      "scheduler",
      "what is not supported yet",
      Object.fromEntries(
        ["API_TOKEN_FILE", "TLS_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE"].map((variable) => [variable, "hunter2"]),
      ),
      ["API_TOKEN_FILE", "TLS_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE"],
    ],
    [
      "scheduler",
      "what webhooks cannot use",
      { TARGET_ALLOW_CIDRS: "hunter2", WEBHOOK_SECRETS_FILE: "hunter2" },
      ["TARGET_ALLOW_CIDRS", "WEBHOOK_SECRETS_FILE"],
    ],
  ])("ends the %s with 78 for %s, with a line for each fault", async (name, _, env, variables) => {
    const lines = await startFaulty(name, env);
    expect(variablesOf(lines)).toEqual(variables);
    for (const line of lines) expect(line).not.toContain("hunter2");
  });
});
