import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { createLogger, createMetrics } from "@taskscheduler/runtime";
import { createHttpServer } from "../../packages/api/src/transport/http-server.js";
import { startTransports, type TransportFixture } from "./transport-fixture.js";

const origin = "https://dashboard.example";
const never = new AbortController().signal;
let fixture: TransportFixture;
const url = (path: string): string => `http://127.0.0.1:${fixture.http.port()}${path}`;
const get = (path: string, init?: RequestInit): Promise<Response> => fetch(url(path), init);
const rpc = "/taskscheduler.v1.TaskService";
const json = { "content-type": "application/json" };

beforeEach(async () => {
  fixture = await startTransports({ corsOrigins: [origin] });
});
afterEach(() => fixture.stop());

/** With the headers that fetch keeps to itself. */
async function raw(method: string, path: string, headers: Record<string, string>): Promise<number | undefined> {
  const request = httpRequest(url(path), { method, headers }).end();
  const [response] = await once(request, "response");
  response.resume();
  return response.statusCode;
}

describe("Connect by curl", () => {
  const call = (method: string, body: string, headers = {}): Promise<Response> =>
    get(`${rpc}/${method}`, { method: "POST", body, headers: { ...json, ...headers } });

  it("says what would be right for a misspelt method, a forgotten content type and another HTTP method", async () => {
    const misspelt = await call("CreatTask", "{}");
    expect([misspelt.status, await misspelt.text()]).toEqual([404, expect.stringContaining("it has CreateTask, ")]);
    const untyped = await call("CreateTask", "{}", { "content-type": "text/plain" });
    expect([untyped.status, await untyped.text()]).toEqual([415, expect.stringContaining("application/json")]);
    const put = await get(`${rpc}/CreateTask`, { method: "PUT", body: "{}", headers: json });
    expect([put.status, await put.text()]).toEqual([405, expect.stringContaining("POST")]);
  });

  it("takes and gives JSON", async () => {
    const response = await call("CreateTask", '{"task":{"name":"a","recurrence":"RECURRENCE_DAILY"}}');
    expect(await response.json()).toEqual({ task: { id: 7, name: "a", recurrence: "RECURRENCE_DAILY" } });
  });

  it.each(['{"id":', '{"id":"x"}', "[1]"])("gives a reason for %s", async (body) => {
    const response = await call("GetTask", body);
    expect(response.status).toBe(400);
    const { code, details } = (await response.json()) as { code: string; details: unknown[] };
    expect(code).toBe("invalid_argument");
    expect(details[0]).toMatchObject({
      type: "google.rpc.ErrorInfo",
      debug: { reason: "MALFORMED_REQUEST", domain: "taskscheduler" },
    });
  });

  it("gives a reason for what is too large", async () => {
    const response = await call("GetTask", `"${"x".repeat(16 * 1024 * 1024)}"`);
    expect(await response.json()).toMatchObject({
      code: "resource_exhausted",
      details: [{ debug: { reason: "REQUEST_TOO_LARGE" } }],
    });
  });

  it("answers GET for what has no side effects", async () => {
    const query = (text: string) => `?encoding=json&message=${encodeURIComponent(text)}`;
    expect(await (await get(`${rpc}/GetTask${query('{"id":5}')}`)).json()).toEqual({ task: { id: 5 } });
    expect((await get(`${rpc}/CreateTask${query("{}")}`)).status).toBe(405);
  });

  it("ends a call at its deadline, with a reason", async () => {
    const response = await call("GetTask", '{"id":600}', { "connect-timeout-ms": "50" });
    expect(await response.json()).toMatchObject({
      code: "deadline_exceeded",
      details: [{ debug: { reason: "DEADLINE_EXCEEDED" } }],
    });
  });

  it("does not serve the schedulers' service", async () => {
    const response = await get("/taskscheduler.v1.SchedulerService/Register", {
      method: "POST",
      body: "{}",
      headers: json,
    });
    expect(response.status).toBe(404);
  });

  it("bears a Host that is none", async () => {
    const socket = connect(fixture.http.port(), "127.0.0.1");
    socket.write(
      `POST ${rpc}/GetTask HTTP/1.1\r\nHost: a b[\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
    );
    const [bytes] = await once(socket, "data");
    expect(String(bytes)).toMatch(/^HTTP\/1.1 400 /);
    socket.destroy();
    expect((await get("/healthz")).status).toBe(200);
  });
});

describe("origins", () => {
  const preflight = (from: string): Promise<Response> =>
    get(`${rpc}/GetTask`, { method: "OPTIONS", headers: { origin: from, "access-control-request-method": "POST" } });

  it("lets those of the list ask and read", async () => {
    const response = await preflight(origin);
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe(origin);
    expect(response.headers.get("access-control-allow-headers")).toContain("Connect-Protocol-Version");
    expect(response.headers.get("access-control-allow-methods")).toContain("DELETE");
    const answer = await get("/api/tasks/", { headers: { origin } });
    expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
    expect(answer.headers.get("access-control-expose-headers")).toContain("Grpc-Status");
    expect(answer.headers.get("vary")).toContain("Origin");
  });

  it("gives others no header", async () => {
    const response = await preflight("https://elsewhere.example");
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
    const answer = await get("/api/tasks/", { headers: { origin: `${origin}.evil` } });
    expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([200, null]);
  });

  it("refuses what a browser calls cross-site when it would change something", async () => {
    expect(
      await raw("DELETE", "/api/tasks/5", { "sec-fetch-site": "cross-site", origin: "https://elsewhere.example" }),
    ).toBe(403);
    expect(await raw("DELETE", "/api/tasks/5", { "sec-fetch-site": "cross-site", origin })).toBe(501);
    expect(await raw("DELETE", "/api/tasks/5", { "sec-fetch-site": "same-origin" })).toBe(501);
    expect(await raw("GET", "/api/tasks/5", { "sec-fetch-site": "cross-site" })).toBe(200);
  });

  it("refuses the same of an origin of another host, where the browser does not say what it is", async () => {
    expect(await raw("DELETE", "/api/tasks/5", { origin: "http://elsewhere.example" })).toBe(403);
    expect(await raw("DELETE", "/api/tasks/5", { origin: "null" })).toBe(403);
    expect(await raw("DELETE", "/api/tasks/5", { origin })).toBe(501);
    expect(await raw("DELETE", "/api/tasks/5", { origin: "http://here.example", host: "here.example" })).toBe(501);
    expect(await raw("GET", "/api/tasks/5", { origin: "http://elsewhere.example" })).toBe(200);
  });
});

describe("probes and pages", () => {
  it("has the probes", async () => {
    expect((await get("/healthz")).status).toBe(200);
    expect((await get("/readyz")).status).toBe(200);
    fixture.setReady(false);
    expect((await get("/readyz")).status).toBe(503);
    expect(await (await get("/metrics")).text()).toContain("taskscheduler_api_calls_under_way");
  });

  it("greets programs with JSON and browsers with a page", async () => {
    expect(await (await get("/")).text()).toBe('{"message":"Welcome to the Task Scheduler API!"}');
    const page = await get("/", { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } });
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const html = await page.text();
    for (const path of ["/redoc", "/api/tasks/", "/openapi.json", "/healthz"]) expect(html).toContain(`href="${path}"`);
    expect(html).not.toMatch(/https?:/);
  });

  it.each(["/redoc", "/docs", "/redoc/"])("documents REST under %s, all of it from here", async (path) => {
    const page = await get(path);
    const html = await page.text();
    expect([page.status, html.match(/https?:/)]).toEqual([200, null]);
    const [, script = ""] = /<script src="([^"]+)"/.exec(html) ?? [];
    const answer = await get(script);
    const text = await answer.text();
    expect(answer.headers.get("content-type")).toMatch(/^text\/javascript/);
    expect(answer.headers.get("content-encoding")).toBe("gzip");
    expect(answer.headers.get("cache-control")).toContain("max-age");
    expect(text).not.toContain("cdn.");
    const again = await get(script, { headers: { "if-none-match": answer.headers.get("etag") ?? "" } });
    expect(again.status).toBe(304);
  });

  it("has an OpenAPI document of the original's paths", async () => {
    const document = JSON.parse(await (await get("/openapi.json")).text());
    expect(document.openapi).toBe("3.1.0");
    expect(Object.keys(document.paths)).toEqual(["/api/tasks/", "/api/tasks/{task_id}"]);
    const references = JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g);
    for (const [, name = ""] of references) expect(document.components.schemas).toHaveProperty(name);
  });

  it.each([
    ["GET", "/nowhere", 404, '{"detail":"Not Found"}'],
    ["POST", "/", 405, '{"detail":"Method Not Allowed"}'],
    ["POST", "/openapi.json", 405, '{"detail":"Method Not Allowed"}'],
  ])("answers %s %s with %i", async (method, path, status, body) => {
    const response = await get(path, { method });
    expect([response.status, await response.text()]).toEqual([status, body]);
  });
});

describe("stop", () => {
  it("ends streams with a reason, closes idle connections, and lets calls end", async () => {
    const message = Buffer.from('{"resumeToken":"deaf 1"}');
    const envelope = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
    const stream = await get(`${rpc}/WatchTasks`, {
      method: "POST",
      body: envelope,
      headers: { "content-type": "application/connect+json" },
    });
    const unary = get(`${rpc}/GetTask`, { method: "POST", body: '{"id":601}', headers: json });
    await fixture.begun("GetTask");
    const stopped = fixture.http.stop(never);
    expect(await stream.text()).toMatch(/"code":"unavailable".*SHUTTING_DOWN/);
    fixture.release();
    expect((await unary).status).toBe(200);
    await stopped;
    await expect(get("/healthz")).rejects.toThrow();
  });

  it("cuts what is left when the grace is over", async () => {
    const unary = get(`${rpc}/GetTask`, { method: "POST", body: '{"id":600}', headers: json });
    await fixture.begun("GetTask");
    await fixture.http.stop(AbortSignal.timeout(100));
    await expect(unary).rejects.toThrow();
  });

  it("names the variable of a taken port", async () => {
    const second = createHttpServer({
      host: "127.0.0.1",
      port: fixture.http.port(),
      services: [],
      rest: fixture.rest,
      readiness: () => [],
      registry: createMetrics().registry,
      corsOrigins: [],
      logger: createLogger({ name: "test", level: "silent" }),
    });
    await expect(second.start(never)).rejects.toThrow(/^HTTP_PORT: .* the port is taken/);
    await second.stop(never);
  });
});
