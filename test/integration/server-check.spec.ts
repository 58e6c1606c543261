import { createServer } from "node:net";
import { type Connection, createConnection } from "mariadb";
import { failureReason } from "../../packages/api/src/database/failure-reason.js";
import { requireRowPrivileges } from "../../packages/api/src/database/privileges.js";
import { checkServer } from "../../packages/api/src/database/server-check.js";
import { POOL_PINS } from "../../packages/api/src/database/session-pins.js";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { freePort } from "../../scripts/ports.mjs";
import { connectorTo } from "../setup/connector.js";
import { type Account, createAccount, ROW_PRIVILEGES, SCHEMA_PRIVILEGES } from "../setup/database-account.js";
import { migrate } from "../setup/migrator.js";

let server: PrivateServer;
let administrator: Connection;
let account: Account;

beforeAll(async () => {
  server = await startPrivateServer({ extraArgs: ["--log-bin=log"] });
  administrator = await createConnection(server.url);
  account = await createAccount(server.url, `${ROW_PRIVILEGES}, ${SCHEMA_PRIVILEGES}`);
});
afterAll(async () => {
  await administrator?.end();
  await server?.stop();
});

/** The warnings of a check, or the reason why it is refused. */
function check(url: string, migrates: boolean): Promise<readonly string[] | string> {
  return checkServer(connectorTo(url), { migrates }).catch(failureReason);
}

/** With a setting for as long as it takes; the administrator's limits are the server's own. */
async function withSetting<T>(name: string, value: string, work: () => Promise<T>): Promise<T> {
  const rows: { value: unknown }[] = await administrator.query(`SELECT @@GLOBAL.${name} AS value`);
  await administrator.query(`SET GLOBAL ${name} = ${value}`);
  try {
    return await work();
  } finally {
    await administrator.query(`SET GLOBAL ${name} = ?`, [rows[0]!.value]);
  }
}

describe("a server that no session can set right", () => {
  it("is taken with its defaults, and without a warning", async () => {
    expect(await check(account.url, true)).toEqual([]);
  });

  it.each<[string, string, boolean, RegExp]>([
    ["binlog_format", "STATEMENT", false, /^the database's binlog_format is STATEMENT.*: set it to MIXED or ROW$/],
    ["max_prepared_stmt_count", "0", false, /^the database's max_prepared_stmt_count is less than 17.*: raise it$/],
    ["enforce_storage_engine", "MyISAM", true, /^the database's enforce_storage_engine forbids InnoDB.*: unset it$/],
    ["read_only", "1", true, /^the database takes no writes: check read_only/],
  ])("is refused with another %s, by its name", async (name, value, migrates, reason) => {
    await withSetting(name, value, async () => expect(await check(account.url, migrates)).toMatch(reason));
  });

  it("is used with another enforce_storage_engine, once the tables are there", async () => {
    await withSetting("enforce_storage_engine", "InnoDB", async () =>
      expect(await check(account.url, true)).toEqual([]),
    );
    await withSetting("enforce_storage_engine", "MyISAM", async () =>
      expect(await check(account.url, false)).toEqual([]),
    );
  });

  it.each([
    [
      "innodb_flush_log_at_trx_commit",
      "2",
      /^innodb_flush_log_at_trx_commit is not 1: .* may lose acknowledged writes$/,
    ],
    ["max_allowed_packet", "1048576", /^max_allowed_packet is less than 16 MiB/],
    ["max_connections", "16", /^max_connections or max_user_connections is less than the 17 connections/],
  ])("is used with another %s, with a warning", async (name, value, warning) => {
    await withSetting(name, value, async () =>
      expect(await check(account.url, true)).toEqual([expect.stringMatching(warning)]),
    );
  });

  it("is refused where its account's own limit is too low for the pool", async () => {
    const limited = await createAccount(server.url, ROW_PRIVILEGES, "WITH MAX_USER_CONNECTIONS 5");
    expect(await check(limited.url, false)).toEqual([
      expect.stringMatching(/^max_connections or max_user_connections/),
    ]);
  });
});

describe("an account", () => {
  it.each([
    ["CREATE", "ALTER, DROP, INDEX"],
    ["ALTER", "CREATE, DROP, INDEX"],
    ["DROP", "CREATE, ALTER, INDEX"],
    ["INDEX", "CREATE, ALTER, DROP"],
    ["CREATE, ALTER, DROP, INDEX", ""],
  ])("that lacks %s may not migrate, by its name, and leaves nothing behind", async (lacking, granted) => {
    const poor = await createAccount(server.url, [ROW_PRIVILEGES, granted].filter(Boolean).join(", "));
    const before: unknown[] = await administrator.query("SHOW TABLES");
    expect(await check(poor.url, true)).toBe(`the account in DATABASE_URL lacks ${lacking}: grant what is lacking`);
    expect(await check(poor.url, false)).toEqual([]);
    expect(await administrator.query("SHOW TABLES")).toEqual(before);
  });

  it("is refused where it lacks a privilege on one table of ours, by the names of both", async () => {
    await migrate(account.url);
    const poor = await createAccount(server.url, "SELECT, INSERT");
    const database = new URL(server.url).pathname.slice(1);
    const tables: Record<string, string>[] = await administrator.query("SHOW TABLES");
    for (const table of tables.flatMap((row) => Object.values(row))) {
      const privileges = table === "executions" ? "UPDATE" : "UPDATE, DELETE";
      if (table !== "changes")
        await administrator.query(`GRANT ${privileges} ON ${database}.${table} TO ${poor.name}@'%'`);
    }
    const rowPrivileges = async (url: string) => {
      const connection = await connectorTo(url)(POOL_PINS, {});
      return requireRowPrivileges(connection)
        .then(() => "enough", failureReason)
        .finally(() => connection.end());
    };
    expect(await rowPrivileges(poor.url)).toBe(
      "the account in DATABASE_URL lacks DELETE on executions, UPDATE on changes, DELETE on changes: grant what is lacking",
    );
    expect(await rowPrivileges(account.url)).toBe("enough");
    await withSetting("read_only", "1", async () =>
      expect(await rowPrivileges(account.url)).toMatch(/^the database takes no writes: check read_only/),
    );
  });
});

describe("what keeps a connection from being made", () => {
  const changed = (change: (url: URL) => void): string => {
    const url = new URL(account.url);
    change(url);
    return url.href;
  };

  it.each<[string, () => Promise<string>, RegExp]>([
    [
      "a wrong password",
      async () => changed((url) => (url.password = "wrong")),
      /^the database refuses the account: check user and password/,
    ],
    ["an unknown user", async () => changed((url) => (url.username = "nobody")), /^the database refuses the account/],
    [
      "a database that may not be used",
      async () => changed((url) => (url.pathname = "/missing")),
      /^the account may not use the database/,
    ],
    [
      "an unknown database",
      async () => server.url.replace(/[^/]+$/, "missing"),
      /^the database that DATABASE_URL names does not exist/,
    ],
    [
      "a port that nothing listens at",
      async () => {
        const port = await freePort();
        return changed((url) => (url.port = String(port)));
      },
      /^nothing listens where DATABASE_URL leads: .* the host and the port in DATABASE_URL$/,
    ],
    [
      "an unknown host",
      async () => changed((url) => (url.hostname = "nowhere.invalid")),
      /^the host in DATABASE_URL has no address/,
    ],
    [
      "a locked account",
      async () => (await createAccount(server.url, ROW_PRIVILEGES, "ACCOUNT LOCK")).url,
      /^the database has locked the account/,
    ],
    [
      "an expired password",
      async () => (await createAccount(server.url, ROW_PRIVILEGES, "PASSWORD EXPIRE")).url,
      /^the password of the account in DATABASE_URL has expired/,
    ],
  ])("is told of %s, with what to check", async (_, url, reason) => {
    const told = await check(await url(), false);
    expect(told).toMatch(reason);
    for (const secret of [account.password, account.name, "127.0.0.1", "nowhere", "missing"])
      expect(told).not.toContain(secret);
  });

  it.each<[string, string, RegExp]>([
    ["init_connect", "'SELECT * FROM nonsense'", /^the server's init_connect fails for the account in DATABASE_URL$/],
    ["require_secure_transport", "1", /^the database refuses the account: .* \(\?ssl=true\)$/],
  ])("is told of the server's %s", async (name, value, reason) => {
    await withSetting(name, value, async () => expect(await check(account.url, false)).toMatch(reason));
  });

  it("is told of a server that has no connection left", async () => {
    const others: Connection[] = [];
    await withSetting("max_connections", "10", async () => {
      try {
        for (;;) others.push(await createConnection(account.url));
      } catch {
        expect(await check(account.url, false)).toMatch(/^the database has no connection left: raise max_connections/);
      } finally {
        await Promise.all(others.map((connection) => connection.end()));
      }
    });
  });

  it("is told of a server that hangs", async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as { port: number };
    expect(
      await check(
        changed((url) => (url.port = String(port))),
        false,
      ),
    ).toMatch(/^the database does not answer in time/);
    silent.close();
  });
});

describe("another server than MariaDB 10.6 or newer", () => {
  it("is refused by its version", async () => {
    const old = await startPrivateServer({ extraArgs: ["--version=10.5.29-MariaDB-old"] });
    expect(await check(old.url, true)).toBe("DATABASE_URL leads to MariaDB 10.5.29; MariaDB 10.6 or newer is needed");
    await old.stop();
  });

  it("is refused as such", async () => {
    const mysql = await startMySqlGreeter();
    const told = await check(changed(account.url, mysql.port), true);
    expect(told).toBe("DATABASE_URL leads to another database server; MariaDB 10.6 or newer is needed");
    mysql.close();
  });
});

function changed(text: string, port: number): string {
  const url = new URL(text);
  url.port = String(port);
  return url.href;
}

/** As much of MySQL as a client meets first: the greeting of version 8, and OK to whatever is said. */
async function startMySqlGreeter(): Promise<{ port: number; close(): void }> {
  const packet = (sequence: number, body: Buffer): Buffer => {
    const header = Buffer.alloc(4);
    header.writeUIntLE(body.length, 0, 3);
    header[3] = sequence;
    return Buffer.concat([header, body]);
  };
  const [LONG_PASSWORD, CONNECT_WITH_DB, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH] = [1, 8, 0x200, 0x8000, 0x80000];
  const capabilities = LONG_PASSWORD! | CONNECT_WITH_DB! | PROTOCOL_41! | SECURE_CONNECTION! | PLUGIN_AUTH!;
  const greeting = Buffer.concat([
    Buffer.from("\x0a8.4.3\0\x01\0\0\0seedseed\0", "latin1"),
    Buffer.from([capabilities & 0xff, (capabilities >> 8) & 0xff, 45, 2, 0, (capabilities >> 16) & 0xff, 0, 21]),
    Buffer.from("\0\0\0\0\0\0\0\0\0\0seedseedseed\0mysql_native_password\0", "latin1"),
  ]);
  const server = createServer((socket) => {
    socket.write(packet(0, greeting));
    socket.on("data", (data) => socket.write(packet((data[3] ?? 0) + 1, Buffer.from([0, 0, 0, 2, 0, 0, 0]))));
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return { port, close: () => server.close() };
}
