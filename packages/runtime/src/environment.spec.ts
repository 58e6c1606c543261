import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { ConfigError } from "./config-error.js";
import { parseEnvironment } from "./environment.js";
import { fileVariable, flagVariable, logLevelVariable, millisecondsVariable, portVariable } from "./variables.js";

const schema = z.object({
  DATABASE_URL: z.url("must be a URL"),
  HTTP_PORT: portVariable(8000),
  MIGRATE: flagVariable(true),
  LEASE_MS: millisecondsVariable({ min: 1, standard: 5000 }),
  LOG_LEVEL: logLevelVariable(),
});

function faultsOf(env: Record<string, string | undefined>, notSupportedYet: string[] = []): readonly string[] {
  try {
    parseEnvironment(schema, env, { notSupportedYet });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

describe("parseEnvironment", () => {
  it("reads what is set and fills in the rest", () => {
    const env = { DATABASE_URL: "mariadb://h/d", HTTP_PORT: "0", MIGRATE: "false", PATH: "/bin", LOG_LEVEL: undefined };
    const config = parseEnvironment(schema, env, { notSupportedYet: [] });
    expect(config).toEqual({
      DATABASE_URL: "mariadb://h/d",
      HTTP_PORT: 0,
      MIGRATE: false,
      LEASE_MS: 5000,
      LOG_LEVEL: "info",
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it("takes an empty variable for an unset one", () => {
    expect(faultsOf({ DATABASE_URL: "", HTTP_PORT: "" })).toEqual(["DATABASE_URL: is required"]);
  });

  it("names every fault at once and repeats no value", () => {
    const faults = faultsOf({
      DATABASE_URL: "s3cret",
      HTTP_PORT: "65536",
      MIGRATE: "yes",
      LEASE_MS: "1e3",
      LOG_LEVEL: "loud",
    });
    expect(faults.map((fault) => fault.split(":")[0])).toEqual([
      "DATABASE_URL",
      "HTTP_PORT",
      "MIGRATE",
      "LEASE_MS",
      "LOG_LEVEL",
    ]);
    expect(faults.join("\n")).not.toMatch(/s3cret|65536|yes|1e3|loud/);
  });

  it("refuses a variable that is not supported yet, beside the other faults", () => {
    expect(faultsOf({ TLS_KEY_FILE: "k", TLS_CERT_FILE: "" }, ["TLS_KEY_FILE", "TLS_CERT_FILE"])).toEqual([
      "TLS_KEY_FILE is not supported yet",
      "DATABASE_URL: is required",
    ]);
  });
});

describe("fileVariable", () => {
  const folder = mkdtempSync(join(tmpdir(), "environment-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("is the file's text, trimmed", () => {
    const path = join(folder, "secret");
    writeFileSync(path, "text\n");
    const parsed = parseEnvironment(
      z.object({ SECRET_FILE: fileVariable() }),
      { SECRET_FILE: path },
      { notSupportedYet: [] },
    );
    expect(parsed.SECRET_FILE).toBe("text");
  });

  it("is a fault when the file cannot be read", () => {
    const env = { SECRET_FILE: join(folder, "missing") };
    expect(() => parseEnvironment(z.object({ SECRET_FILE: fileVariable() }), env, { notSupportedYet: [] })).toThrow(
      "SECRET_FILE: names a file that cannot be read (ENOENT)",
    );
  });
});
