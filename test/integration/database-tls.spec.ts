import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createConnection } from "mariadb";
import { createConnector } from "../../packages/api/src/database/connector.js";
import { parseDatabaseUrl } from "../../packages/api/src/database/database-address.js";
import { failureReason } from "../../packages/api/src/database/failure-reason.js";
import { MIGRATION_PINS, POOL_PINS } from "../../packages/api/src/database/session-pins.js";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { type Account, createAccount, ROW_PRIVILEGES, SCHEMA_PRIVILEGES } from "../setup/database-account.js";
import { eventually } from "../setup/eventually.js";
import { startMigrator } from "../setup/migrator.js";
import { killAll, startApi } from "../setup/processes.js";
import { type RecordingProxy, startRecordingProxy } from "../setup/recording-proxy.js";
import { createIdentity } from "../setup/self-signed.js";

/** A certificate for `localhost` and 127.0.0.1, which vouches for itself. */
const identity = createIdentity();
const stranger = createIdentity();
const other = createIdentity("another CA");

let folder: string;
let caFile: string;
let server: PrivateServer;
let account: Account;
let proxy: RecordingProxy;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tls-"));
  caFile = fileWith("cert.pem", identity.cert);
  const args = [`--ssl-cert=${caFile}`, `--ssl-key=${fileWith("key.pem", identity.key)}`];
  // The driver believes a server of this version that signs its own certificate.
  server = await startPrivateServer({ extraArgs: [...args, "--version=11.8.2-MariaDB"] });
  account = await createAccount(server.url, `${ROW_PRIVILEGES}, ${SCHEMA_PRIVILEGES}`, "REQUIRE SSL");
  proxy = await startRecordingProxy(server.port);
});
afterAll(async () => {
  await killAll();
  await proxy?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function fileWith(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function urlAt(host: string, port: number, query = "?ssl=true"): string {
  const url = new URL(account.url);
  url.hostname = host;
  url.port = String(port);
  return `${url.href}${query}`;
}

/** As the pool connects, by way of the proxy. @returns the reason of the failure, or the cipher */
async function connectThrough(through: RecordingProxy, host: string, ca: string | undefined): Promise<string> {
  const { address } = parseDatabaseUrl(urlAt(host, through.port));
  const connect = createConnector({ ...address, tls: { ca } });
  try {
    const connection = await connect(POOL_PINS, {});
    const [status] = await connection.query<{ Value: string }[]>("SHOW STATUS LIKE 'Ssl_cipher'");
    await connection.end();
    return status?.Value ?? "";
  } catch (error) {
    return failureReason(error);
  }
}

/** Nobody on the way reads the account's name or password, a statement, or the scramble of a login. */
function expectNothingReadable(sent: Buffer): void {
  for (const secret of [account.name, account.password, "SELECT", "SET ", "mysql_native_password"]) {
    expect(sent.includes(secret)).toBe(false);
  }
}

describe("a database with TLS, and an account that demands it", () => {
  it.each(["127.0.0.1", "localhost"])("is used at %s, encrypted, where the CA vouches for it", async (host) => {
    expect(await connectThrough(proxy, host, identity.cert)).toMatch(/^TLS_/);
    expect(await connectThrough(proxy, host, other.cert + identity.cert)).toMatch(/^TLS_/);
    expect(proxy.sent().length).toBeGreaterThan(1_000);
    expectNothingReadable(proxy.sent());
  });

  it("is migrated and served", async () => {
    const env = { DATABASE_TLS_CA_FILE: caFile };
    const { code, output } = await startMigrator(urlAt("localhost", proxy.port), "up", env).ended;
    expect([code, output]).toEqual([0, expect.stringContaining("up 0001-tasks")]);
    const api = await startApi({ databaseUrl: urlAt("localhost", proxy.port), env });
    await api.ready();
    expect(await api.stop()).toBe(0);
    expectNothingReadable(proxy.sent());
  });

  const UNTRUSTED = /^nobody whom we trust vouches for the database's certificate: DATABASE_TLS_CA_FILE must hold/;

  it.each<[string, string, () => string | undefined, RegExp]>([
    ["another CA", "127.0.0.1", () => stranger.cert, UNTRUSTED],
    ["the CAs that everybody trusts", "127.0.0.1", () => undefined, UNTRUSTED],
    [
      "another host in its certificate",
      "127.0.0.2",
      () => identity.cert,
      /^the database's certificate is for another host/,
    ],
  ])("is refused with %s, before anything is said", async (_, host, ca, reason) => {
    const own = await startRecordingProxy(server.port, host);
    expect(await connectThrough(own, host, ca())).toMatch(reason);
    expectNothingReadable(own.sent());
    await own.close();
  });

  it("is not reached without TLS, and the API says what to check", async () => {
    const api = await startApi({ databaseUrl: urlAt("127.0.0.1", server.port, "") });
    const reason = /^not ready: the database refuses the account: check user and password .*\(\?ssl=true\)\n$/;
    await eventually("the reason", async () => reason.test(await readyz(api.httpUrl)));
    await api.kill();
  });
});

describe("a database without TLS", () => {
  let plain: PrivateServer;

  beforeAll(async () => {
    plain = await startPrivateServer({ extraArgs: ["--skip-ssl"] });
  });
  afterAll(() => plain?.stop());

  it("is told nothing at all where the URL says TLS, and the API says what to check", async () => {
    const own = await startRecordingProxy(plain.port);
    expect(await connectThrough(own, "127.0.0.1", identity.cert)).toMatch(
      /^the database offers no TLS, which \?ssl=true/,
    );
    const api = await startApi({
      databaseUrl: urlAt("127.0.0.1", own.port),
      env: { DATABASE_TLS_CA_FILE: caFile },
    });
    const reason = /^not ready: the database offers no TLS, which \?ssl=true in DATABASE_URL demands/;
    await eventually("the reason", async () => reason.test(await readyz(api.httpUrl)));
    await api.kill();
    const { ended } = startMigrator(urlAt("127.0.0.1", own.port), "up", { DATABASE_TLS_CA_FILE: caFile });
    expect((await ended).code).toBe(1);
    expect(own.sent()).toHaveLength(0);
    await own.close();
  });
});

it("a connection is encrypted for the migration as for the pool", async () => {
  const { address } = parseDatabaseUrl(urlAt("localhost", server.port));
  const connection = await createConnector({ ...address, tls: { ca: identity.cert } })(MIGRATION_PINS, {});
  const [status] = await connection.query<{ Value: string }[]>("SHOW STATUS LIKE 'Ssl_cipher'");
  expect(status?.Value).toMatch(/^TLS_/);
  await connection.end();
  // The account cannot log in any other way.
  await expect(createConnection(account.url)).rejects.toMatchObject({ errno: 1045 });
});

async function readyz(httpUrl: string): Promise<string> {
  return (await fetch(`${httpUrl}/readyz`)).text();
}
