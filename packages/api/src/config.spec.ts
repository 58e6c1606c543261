import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "@taskscheduler/runtime";
import { createIdentity } from "../../../test/setup/self-signed.js";
import { readConfig } from "./config.js";

const DATABASE_URL = "mariadb://user:s3cret@db:3306/taskscheduler";
const ADDRESS = { host: "db", port: 3306, user: "user", password: "s3cret", database: "taskscheduler", tls: undefined };

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "config-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(content: string | Buffer): string {
  const path = join(folder, "file");
  writeFileSync(path, content);
  return path;
}

function faultsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

describe("readConfig", () => {
  it("needs a database and nothing else", () => {
    expect(readConfig({ DATABASE_URL })).toEqual({
      database: ADDRESS,
      host: "127.0.0.1",
      httpPort: 8000,
      grpcPort: 50051,
      migrateOnStart: true,
      corsOrigins: [],
      maxConnectionAgeMs: 600_000,
      leaseMs: 5000,
      changeRetentionMs: 86_400_000,
      executionRetentionMs: 7_776_000_000,
      logLevel: "info",
      shutdownGraceMs: 10_000,
      failpoints: [],
    });
  });

  it.each(["", "\n", "\r\n", " \n"])("reads the database's URL from a file that ends with %j", (end) => {
    expect(readConfig({ DATABASE_URL_FILE: fileWith(`${DATABASE_URL}${end}`) }).database).toEqual(ADDRESS);
  });

  it("reads the database's URL from one place alone", () => {
    expect(faultsOf({ DATABASE_URL_FILE: fileWith(DATABASE_URL), DATABASE_URL })).toEqual([
      "DATABASE_URL: only one of this and DATABASE_URL_FILE may be set",
    ]);
  });

  it.each<[string, string | Buffer, RegExp]>([
    ["two lines", `${DATABASE_URL}\nmariadb://other@db/d`, /white space/],
    ["nothing", "", /^DATABASE_URL_FILE: must be mariadb:/],
    ["UTF-16", Buffer.from(`\ufeff${DATABASE_URL}`, "utf16le"), /is not UTF-8 text$/],
    ["a binary", Buffer.alloc(2_000_000, 0xff), /more than 1 MiB$/],
  ])("refuses a file of %s for the database's URL", (_, content, fault) => {
    const faults = faultsOf({ DATABASE_URL_FILE: fileWith(content) });
    expect(faults[0]).toMatch(fault);
    expect(faults[0]).toMatch(/^DATABASE_URL_FILE: /);
    expect(faults.join()).not.toContain("s3cret");
  });

  it("takes a CA for a connection with TLS alone", () => {
    const { cert, key } = createIdentity();
    const DATABASE_TLS_CA_FILE = fileWith(`# ours\n${cert}${createIdentity().cert}`);
    const { tls } = readConfig({ DATABASE_URL: `${DATABASE_URL}?ssl=true`, DATABASE_TLS_CA_FILE }).database;
    expect(tls?.ca).toContain(cert.trim());
    expect(readConfig({ DATABASE_URL: `${DATABASE_URL}?ssl=true` }).database.tls).toEqual({ ca: undefined });
    expect(faultsOf({ DATABASE_URL, DATABASE_TLS_CA_FILE })).toEqual([
      "DATABASE_TLS_CA_FILE: needs ?ssl=true at the end of DATABASE_URL; without it the connection is plain text",
    ]);
    const file = { DATABASE_URL: `${DATABASE_URL}?ssl=true` };
    for (const wrong of [key, cert.replace(/^MI.{8}/m, "AAAAAAAAAA"), `${cert}${cert.slice(0, -40)}`, "s3cret", ""]) {
      expect(faultsOf({ ...file, DATABASE_TLS_CA_FILE: fileWith(wrong) })).toEqual([
        "DATABASE_TLS_CA_FILE: names a file that must hold certificates in PEM",
      ]);
    }
    expect(faultsOf({ ...file, DATABASE_TLS_CA_FILE: folder })).toEqual([
      "DATABASE_TLS_CA_FILE: names a file that cannot be read (EISDIR)",
    ]);
  });

  it("refuses one port for both protocols", () => {
    expect(faultsOf({ DATABASE_URL, HTTP_PORT: "50051" })).toEqual(["GRPC_PORT: must not be the same as HTTP_PORT"]);
    expect(readConfig({ DATABASE_URL, HTTP_PORT: "0", GRPC_PORT: "0" }).httpPort).toBe(0);
  });

  it.each(["5e3", " 5000", "5000 ", "+5000", "-0", "0x1388", "5_000", "5000.0", "٥٠٠٠"])(
    "takes no %j for a number",
    (text) => {
      expect(faultsOf({ DATABASE_URL, LEASE_MS: text })).toEqual([
        "LEASE_MS: must be a whole number from 100 to 3600000",
      ]);
    },
  );

  it("names each fault's variable, all at once, and shows no secret", () => {
    const faults = faultsOf({
      DATABASE_URL: "mysql://user:s3cret@db/d",
      HOST: "0.0.0.0",
      HTTP_PORT: "http",
      MIGRATE_ON_START: "maybe",
      AUTH: "on",
      CORS_ORIGINS: "https://a.example/path",
      LEASE_MS: "-1",
      AUTH_TOKENS_FILE: "/tokens",
      TLS_CERT_FILE: "/cert",
    });
    expect(faults.map((fault) => fault.split(/[ :]/)[0]).sort()).toEqual([
      "AUTH",
      "AUTH_TOKENS_FILE",
      "CORS_ORIGINS",
      "DATABASE_URL",
      "HOST",
      "HTTP_PORT",
      "LEASE_MS",
      "MIGRATE_ON_START",
      "TLS_CERT_FILE",
    ]);
    expect(faults.join()).not.toContain("s3cret");
    expect(faultsOf({})).toEqual(["DATABASE_URL: this or DATABASE_URL_FILE is required"]);
  });

  it.each(["99", "3600001", "1e4"])("refuses %s for a lease", (LEASE_MS) => {
    expect(faultsOf({ DATABASE_URL, LEASE_MS })).toEqual(["LEASE_MS: must be a whole number from 100 to 3600000"]);
  });

  it.each(["127.0.0.1", "127.1.2.3", "localhost", "::1"])("binds %s without identity", (HOST) => {
    expect(readConfig({ DATABASE_URL, HOST }).host).toBe(HOST);
  });

  it.each(["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.com", "example.com"])(
    "refuses %s without AUTH=off",
    (HOST) => {
      expect(faultsOf({ DATABASE_URL, HOST })).toHaveLength(1);
      expect(readConfig({ DATABASE_URL, HOST, AUTH: "off" }).host).toBe(HOST);
    },
  );

  it("takes a list of exact origins", () => {
    const CORS_ORIGINS = "https://a.example, http://localhost:5173";
    expect(readConfig({ DATABASE_URL, CORS_ORIGINS }).corsOrigins).toEqual([
      "https://a.example",
      "http://localhost:5173",
    ]);
    for (const wrong of ["*", ",", " ", "https://a.example,", "null", "https://a.example/", "https://a.example:443"]) {
      expect(faultsOf({ DATABASE_URL, CORS_ORIGINS: wrong })).toEqual([
        "CORS_ORIGINS: must be origins such as https://example.com, separated by commas",
      ]);
    }
  });

  it("takes moments of its calls for failpoints, and none in production", () => {
    const FAILPOINTS = "after-createTask, before-reportExecutions@3";
    expect(readConfig({ DATABASE_URL, FAILPOINTS }).failpoints).toEqual([
      { moment: "after", call: "createTask", passing: 1 },
      { moment: "before", call: "reportExecutions", passing: 3 },
    ]);
    expect(faultsOf({ DATABASE_URL, FAILPOINTS, NODE_ENV: "production" })).toEqual([
      "FAILPOINTS: is for tests, and refused where NODE_ENV is production",
    ]);
    expect(faultsOf({ DATABASE_URL, NODE_ENV: "production" })).toEqual([]);
  });

  it.each([
    "after-",
    "createTask",
    "after-createTask@0",
    "after-subscribe",
    "amid-reportExecutions",
    "after-heartbeat,",
  ])("does not take %s for a failpoint", (FAILPOINTS) => {
    expect(faultsOf({ DATABASE_URL, FAILPOINTS })[0]).toMatch(/^FAILPOINTS: must be moments of calls/);
  });
});
