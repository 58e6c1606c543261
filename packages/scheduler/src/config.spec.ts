import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "@taskscheduler/runtime";
import { readConfig } from "./config.js";

function faultsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

describe("configuration", () => {
  it("has a default for everything", () => {
    const { schedulerId, webhookSecrets, ...rest } = readConfig({});
    expect(webhookSecrets.isEmpty).toBe(true);
    expect(schedulerId).toContain(`${process.pid}`);
    expect(rest).toEqual({
      apiAddresses: [{ host: "127.0.0.1", port: 50_051 }],
      host: "127.0.0.1",
      httpPort: 8001,
      limits: { maxConcurrency: 256, maxConcurrencyPerHost: 64, maxConcurrencyPerTask: 16, maxRatePerHost: 0 },
      targetAllowCidrs: [],
      webhookProxy: undefined,
      logLevel: "info",
      shutdownGraceMs: 10_000,
      failpoints: [],
    });
  });

  it("takes several addresses of the API", () => {
    expect(readConfig({ API_ADDRESS: "api:50051, 10.0.0.1:65535,[::1]:1" }).apiAddresses).toEqual([
      { host: "api", port: 50_051 },
      { host: "10.0.0.1", port: 65_535 },
      { host: "::1", port: 1 },
    ]);
  });

  it.each(["api", "http://api:1", "api:0", "api:65536", "::1:50051", "a b:1", "10.1:1"])(
    "does not take %s for an address",
    (address) => {
      expect(faultsOf({ API_ADDRESS: address })).toEqual(["API_ADDRESS: must be host:port"]);
    },
  );

  it("names each address that is wrong by its place", () => {
    expect(faultsOf({ API_ADDRESS: "hunter2,api:1,,[::1]" })).toEqual([
      "API_ADDRESS: address 1 must be host:port",
      "API_ADDRESS: address 3 must be host:port",
      "API_ADDRESS: address 4 must be host:port",
    ]);
    expect(faultsOf({ API_ADDRESS: "api:1," })).toEqual(["API_ADDRESS: address 2 must be host:port"]);
    expect(faultsOf({ API_ADDRESS: Array(65).fill("api:1").join() })).toEqual([
      "API_ADDRESS: has more than 64 addresses",
    ]);
  });

  it("takes limits, and no rate for none", () => {
    const limits = { MAX_CONCURRENCY: "4", MAX_CONCURRENCY_PER_HOST: "3", MAX_CONCURRENCY_PER_TASK: "2" };
    expect(readConfig({ ...limits, MAX_RATE_PER_HOST: "0" }).limits.maxRatePerHost).toBe(0);
    expect(readConfig({ ...limits, MAX_RATE_PER_HOST: "1" }).limits).toEqual({
      ...{ maxConcurrency: 4, maxConcurrencyPerHost: 3, maxConcurrencyPerTask: 2, maxRatePerHost: 1 },
    });
    expect(
      faultsOf({ MAX_CONCURRENCY_PER_HOST: "0", MAX_CONCURRENCY_PER_TASK: "100001", MAX_RATE_PER_HOST: "0.5" }),
    ).toEqual([
      "MAX_CONCURRENCY_PER_HOST: must be a whole number from 1 to 100000",
      "MAX_CONCURRENCY_PER_TASK: must be a whole number from 1 to 100000",
      "MAX_RATE_PER_HOST: must be a whole number from 0 to 100000",
    ]);
  });

  it("names every fault, and what is not supported yet", () => {
    const faults = faultsOf({
      MAX_CONCURRENCY: "0",
      SCHEDULER_ID: "x".repeat(256),
      TARGET_ALLOW_CIDRS: "10.0.0.0/8, 10.0.0.1/8",
      API_TOKEN_FILE: "/token",
    });
    expect(faults.map((fault) => fault.split(/[: ]/)[0]).sort()).toEqual([
      "API_TOKEN_FILE",
      "MAX_CONCURRENCY",
      "SCHEDULER_ID",
      "TARGET_ALLOW_CIDRS",
    ]);
  });

  it("takes ranges of addresses, and names each that is none by its place", () => {
    const TARGET_ALLOW_CIDRS = "10.0.0.0/8, fd00::/8,192.0.2.7/32";
    expect(readConfig({ TARGET_ALLOW_CIDRS }).targetAllowCidrs).toEqual(["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"]);
    const form =
      "must be one such as 10.0.0.0/8 or fd00::/8: no name, no bits behind its prefix, and a single address as 10.1.2.3/32";
    expect(faultsOf({ TARGET_ALLOW_CIDRS: "10.0.0.1/8,10.0.0.0/8,,hunter2" })).toEqual([
      `TARGET_ALLOW_CIDRS: range 1 ${form}`,
      `TARGET_ALLOW_CIDRS: range 3 ${form}`,
      `TARGET_ALLOW_CIDRS: range 4 ${form}`,
    ]);
    expect(faultsOf({ TARGET_ALLOW_CIDRS: Array(257).fill("10.0.0.0/8").join() })).toEqual([
      "TARGET_ALLOW_CIDRS: has more than 256 ranges",
    ]);
  });

  it("takes moments of its calls for failpoints, and none in production", () => {
    const FAILPOINTS = "before-reportExecutions@3";
    expect(readConfig({ FAILPOINTS }).failpoints).toEqual([{ moment: "before", call: "reportExecutions", passing: 3 }]);
    expect(faultsOf({ FAILPOINTS, NODE_ENV: "production" })).toEqual([
      "FAILPOINTS: is for tests, and refused where NODE_ENV is production",
    ]);
    expect(faultsOf({ NODE_ENV: "production" })).toEqual([]);
  });

  it.each([
    "after-",
    "createTask",
    "after-createTask@0",
    "after-subscribe",
    "amid-reportExecutions",
    "after-heartbeat,",
  ])("does not take %s for a failpoint", (FAILPOINTS) => {
    expect(faultsOf({ FAILPOINTS })[0]).toMatch(/^FAILPOINTS: must be moments of calls/);
  });
});

describe("a proxy for webhooks", () => {
  const dir = mkdtempSync(join(tmpdir(), "taskscheduler-config-"));
  const WEBHOOK_PROXY_URL_FILE = join(dir, "proxy");
  const url = "http://user:hunter2@proxy:3128";
  beforeAll(() => writeFileSync(WEBHOOK_PROXY_URL_FILE, `${url}\n`));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it.each([{ WEBHOOK_PROXY_URL: url }, { WEBHOOK_PROXY_URL_FILE }])("is read from %j", (env) => {
    expect(readConfig(env).webhookProxy).toMatchObject({ host: "proxy", port: 3128 });
  });

  it("is refused, without a word of it, where it is none, or named twice", () => {
    const form = "must be http://[user:password@]host:port, with special characters in percent-encoding";
    writeFileSync(join(dir, "wrong"), "http://user:hunter2@proxy");
    const env = { WEBHOOK_PROXY_URL: "https://user:hunter2@proxy:1", WEBHOOK_PROXY_URL_FILE: join(dir, "wrong") };
    expect([...faultsOf(env)].sort()).toEqual([
      `WEBHOOK_PROXY_URL: ${form}`,
      "WEBHOOK_PROXY_URL: only one of this and WEBHOOK_PROXY_URL_FILE may be set",
      `WEBHOOK_PROXY_URL_FILE: ${form}`,
    ]);
    expect(faultsOf({ WEBHOOK_PROXY_URL_FILE: join(dir, "missing") })).toEqual([
      "WEBHOOK_PROXY_URL_FILE: names a file that cannot be read (ENOENT)",
    ]);
  });
});

describe("a file of webhook secrets", () => {
  const dir = mkdtempSync(join(tmpdir(), "taskscheduler-config-"));
  const WEBHOOK_SECRETS_FILE = join(dir, "secrets");
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it("is read", () => {
    writeFileSync(WEBHOOK_SECRETS_FILE, "# ours\ndefault whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    const { webhookSecrets } = readConfig({ WEBHOOK_SECRETS_FILE });
    expect(webhookSecrets.keysOf("default")).toHaveLength(1);
  });

  it("has its faults named by their lines, and repeats none of them", () => {
    writeFileSync(WEBHOOK_SECRETS_FILE, "\n\ndefault hunter2\n#\nother whsk_hunter2");
    expect(faultsOf({ WEBHOOK_SECRETS_FILE })).toEqual([
      "WEBHOOK_SECRETS_FILE: line 3 must be `name whsec_…`, the name 1 to 64 letters, digits, . _ -, the key 24 to 64 bytes in base64",
      "WEBHOOK_SECRETS_FILE: line 5 has an asymmetric key (whsk_), which is not supported",
    ]);
  });

  it("is a fault where it cannot be read", () => {
    expect(faultsOf({ WEBHOOK_SECRETS_FILE: join(dir, "missing") })).toEqual([
      "WEBHOOK_SECRETS_FILE: names a file that cannot be read (ENOENT)",
    ]);
  });
});

describe("SCHEDULER_ID", () => {
  it.each(["a", "größe 🕰", "a b", "pod-7f9c/1", "x".repeat(255)])("may be %j", (SCHEDULER_ID) => {
    expect(readConfig({ SCHEDULER_ID }).schedulerId).toBe(SCHEDULER_ID);
  });

  it.each([" ", " a", "a\n", "a\u0000b", "a\u001b[2J", "a\u202eb", "x".repeat(256)])(
    "may not be %j",
    (SCHEDULER_ID) => {
      expect(faultsOf({ SCHEDULER_ID })[0]).toMatch(/^SCHEDULER_ID: must have /);
    },
  );
});
