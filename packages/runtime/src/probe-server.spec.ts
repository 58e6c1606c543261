import { createLogger } from "./logger.js";
import { createMetrics } from "./metrics.js";
import { createProbeServer } from "./probe-server.js";

const logger = createLogger({ name: "test", level: "silent" });
const never = new AbortController().signal;
let reasons = ["the database does not answer", "the process is stopping"];
const server = createProbeServer({
  host: "127.0.0.1",
  port: 0,
  readiness: () => reasons,
  registry: createMetrics().registry,
  logger,
});
const get = (path: string, init?: RequestInit): Promise<Response> =>
  fetch(`http://127.0.0.1:${server.port()}${path}`, init);

beforeAll(() => server.start(never));
afterAll(() => server.stop(never));

describe("probe server", () => {
  it("answers /healthz while the process lives", async () => {
    const response = await get("/healthz");
    expect([response.status, await response.text()]).toEqual([200, "ok\n"]);
  });

  it("answers /readyz with 503 and a reason a line, and with 200 once there is none", async () => {
    const refused = await get("/readyz");
    expect([refused.status, await refused.text()]).toEqual([
      503,
      "not ready: the database does not answer\nnot ready: the process is stopping\n",
    ]);
    reasons = [];
    expect((await get("/readyz?verbose")).status).toBe(200);
    expect((await get("/readyz", { method: "HEAD" })).status).toBe(200);
  });

  it("answers /metrics in Prometheus's format", async () => {
    const response = await get("/metrics");
    expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await response.text()).toContain("process_cpu_seconds_total");
  });

  it("knows no other path and no other method", async () => {
    expect((await get("/")).status).toBe(404);
    expect((await get("/constructor")).status).toBe(404);
    const refused = await get("/healthz", { method: "POST" });
    expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  it("names its variable when the port is taken", async () => {
    const second = createProbeServer({
      host: "127.0.0.1",
      port: server.port(),
      readiness: () => [],
      registry: createMetrics().registry,
      logger,
    });
    await expect(second.start(never)).rejects.toThrow(
      /^HTTP_PORT: cannot listen on 127\.0\.0\.1:\d+: the port is taken/,
    );
    await second.stop(never);
  });
});
