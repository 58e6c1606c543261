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
    const { schedulerId, ...rest } = readConfig({});
    expect(schedulerId).toContain(`${process.pid}`);
    expect(rest).toEqual({
      apiAddress: "127.0.0.1:50051",
      host: "127.0.0.1",
      httpPort: 8001,
      maxConcurrency: 256,
      logLevel: "info",
      shutdownGraceMs: 10_000,
      failpoints: [],
    });
  });

  it.each(["api:50051", "[::1]:1", "10.0.0.1:65535"])("takes %s for an address", (address) => {
    expect(readConfig({ API_ADDRESS: address }).apiAddress).toBe(address);
  });

  it.each(["api", "http://api:1", "api:0", "api:65536", "::1:50051", "a b:1"])(
    "does not take %s for one",
    (address) => {
      expect(faultsOf({ API_ADDRESS: address })).toEqual(["API_ADDRESS: must be host:port"]);
    },
  );

  it("names every fault, and what is not supported yet", () => {
    const faults = faultsOf({
      MAX_CONCURRENCY: "0",
      SCHEDULER_ID: "x".repeat(256),
      TARGET_ALLOW_CIDRS: "10.0.0.0/8",
      API_TOKEN_FILE: "/token",
    });
    expect(faults.map((fault) => fault.split(/[: ]/)[0]).sort()).toEqual([
      "API_TOKEN_FILE",
      "MAX_CONCURRENCY",
      "SCHEDULER_ID",
      "TARGET_ALLOW_CIDRS",
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
