import { randomBytes } from "node:crypto";
import { type Connection, type ConnectionConfig, createConnection } from "mariadb";

export interface TestDatabase {
  /** `mariadb://user:password@host:port/database`, the account may do anything. */
  readonly url: string;
  readonly name: string;
  /** Removes the database and what is in it. */
  drop(): Promise<void>;
}

/**
 * Makes an empty database of its own for a spec file, on the server that `npm test` has started.
 *
 * @param serverUrl a server of the spec's own, where it needs one; its database is ignored
 */
export async function createTestDatabase(serverUrl = process.env["TEST_DATABASE_URL"]): Promise<TestDatabase> {
  if (!serverUrl) throw new Error("TEST_DATABASE_URL is missing: run the specs by npm test, which starts a server.");
  const name = `test_${randomBytes(6).toString("hex")}`;
  await execute(serverUrl, `CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, name, drop: () => execute(serverUrl, `DROP DATABASE IF EXISTS ${name}`) };
}

/** A session at the database of a URL. @param options go before what the driver would do */
export function connectTo(url: string, options: ConnectionConfig = {}): Promise<Connection> {
  const { hostname, port, username, password, pathname } = new URL(url);
  return createConnection({
    host: hostname,
    port: Number(port),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: pathname.slice(1),
    ...options,
  });
}

async function execute(url: string, sql: string): Promise<void> {
  const connection = await createConnection(url);
  try {
    await connection.query(sql);
  } finally {
    await connection.end();
  }
}
