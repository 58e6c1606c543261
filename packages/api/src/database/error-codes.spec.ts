import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ERROR_CODES, SILENCE_ERRNO } from "./error-codes.js";

const FIRST_OF_THE_DRIVER = 45_000;
const driver = join(dirname(require.resolve("mariadb")), "..", "lib");

/** The driver's own lists: the server's error numbers, generated from MariaDB's sources, and those of the driver. */
function driverNames(): Map<number, string> {
  const server = readFileSync(join(driver, "const", "error-code.js"), "utf8");
  const client = readFileSync(join(driver, "misc", "errors.js"), "utf8");
  return new Map([
    ...[...server.matchAll(/codes\[(\d+)\] = '(\w+)'/g)].map(([, errno, name]) => [Number(errno), name!] as const),
    ...[...client.matchAll(/^ {2}(ER_\w+): (45\d{3})/gm)].map(([, name, errno]) => [Number(errno), name!] as const),
  ]);
}

describe("the table of error numbers", () => {
  it("is sorted, and has each number once", () => {
    const errnos = ERROR_CODES.map(([errno]) => errno);
    expect(errnos).toEqual([...new Set(errnos)].sort((a, b) => a - b));
  });

  it("calls each number what the driver calls it, and knows every number that MariaDB's list lacks", () => {
    const names = driverNames();
    expect(names.size).toBeGreaterThan(1_000);
    const unlisted = ERROR_CODES.filter(([errno]) => !names.has(errno)).map(([, name]) => name);
    expect(unlisted).toEqual([
      ...["EE_WRITE", "EE_DISK_FULL", "ENOSPC"],
      ...["CR_CONNECTION_ERROR", "CR_CONN_HOST_ERROR", "CR_SERVER_GONE_ERROR", "CR_SERVER_LOST"],
      "PROXYSQL_NO_SERVER",
    ]);
    const listed = ERROR_CODES.filter(([errno]) => names.has(errno));
    expect(listed.map(([errno, name]) => [errno, name])).toEqual(listed.map(([errno]) => [errno, names.get(errno)]));
  });

  it("has the driver's number for silence", () => {
    expect(driverNames().get(SILENCE_ERRNO)).toBe("ER_SOCKET_TIMEOUT");
  });
});

describe("docs/operations.md", () => {
  const page = readFileSync(join(__dirname, "..", "..", "..", "..", "docs", "operations.md"), "utf8");

  it("lists the numbers of each class that an operator can do something about", () => {
    const listed = [...page.matchAll(/^\| `([A-Z_]+)` \| .* \| ([\d, ]+) \|$/gm)];
    const kinds = listed.map(([, kind]) => kind);
    expect(kinds).toEqual(["TRANSIENT", "TIMEOUT", "GONE", "MISCONFIGURED", "FULL", "EXHAUSTED", "TOO_LARGE"]);
    for (const [, kind, errnos] of listed) {
      const known = ERROR_CODES.filter((code) => code[2] === kind && code[0] < FIRST_OF_THE_DRIVER);
      expect([kind, errnos]).toEqual([kind, known.map(([errno]) => errno).join(", ")]);
    }
  });
});
