import { type Connection, createConnection } from "mariadb";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { freePort } from "../../scripts/ports.mjs";
import { createAccount, ROW_PRIVILEGES, SCHEMA_PRIVILEGES } from "../setup/database-account.js";
import { eventually } from "../setup/eventually.js";
import { killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient } from "../setup/task-client.js";
import { createTestDatabase } from "../setup/test-database.js";

jest.setTimeout(120_000);

let server: PrivateServer;
let administrator: Connection;

beforeAll(async () => {
  server = await startPrivateServer();
  administrator = await createConnection(server.url);
});
afterAll(async () => {
  await killAll();
  await administrator?.end();
  await server?.stop();
});

async function readyz({ httpUrl }: ServiceProcess): Promise<[number, string]> {
  const response = await fetch(`${httpUrl}/readyz`, { headers: { connection: "close" } });
  return [response.status, await response.text()];
}

async function told(process: ServiceProcess, reason: RegExp, timeoutMs?: number): Promise<string> {
  const line = new RegExp(`^not ready: ${reason.source}$`, "m");
  return eventually(
    `/readyz says ${reason.source}`,
    async () => {
      const [status, body] = await readyz(process);
      return status === 503 && line.test(body) ? body : undefined;
    },
    timeoutMs,
  );
}

interface Line {
  readonly msg: string;
  readonly reasons?: readonly string[];
}

function logOf(process: ServiceProcess): Line[] {
  const lines = process.output().split("\n");
  return lines.flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as Line] : []));
}

it("an API says why its database refuses it, until somebody has mended that", async () => {
  const database = await createTestDatabase(server.url);
  const account = await createAccount(database.url, ROW_PRIVILEGES);
  const url = new URL(account.url);
  url.password = "wrong";
  const api = await startApi({ databaseUrl: url.href });
  await told(api, /the database refuses the account: check user and password in DATABASE_URL, .*/);
  await eventually("the log says so too", () =>
    logOf(api).some(
      ({ msg, reasons }) => msg === "not ready" && reasons?.[0]?.startsWith("the database refuses the account"),
    ),
  );

  await administrator.query(`ALTER USER ${account.name}@'%' IDENTIFIED BY 'wrong'`);
  await told(api, /the account in DATABASE_URL lacks CREATE, ALTER, DROP, INDEX: grant what is lacking/);
  await administrator.query(`GRANT ${SCHEMA_PRIVILEGES} ON ${database.name}.* TO ${account.name}@'%'`);
  await api.ready();
  await eventually("the log says that it is over", () => {
    return logOf(api).findLast(({ msg }) => /^(not )?ready$/.test(msg))?.msg === "ready";
  });

  // The first log line about each reason holds the error. The operator's page holds nothing of the error.
  const body = (await readyz(api))[1];
  expect(body).toBe("ready\n");
  expect(logOf(api).filter(({ msg }) => msg === "the database is not ready; trying again")).toHaveLength(2);
  expect(await api.stop()).toBe(0);
});

it("an API says that its database is unknown, and works once it has been created", async () => {
  const url = server.url.replace(/[^/]+$/, "made_later");
  const api = await startApi({ databaseUrl: url });
  await told(api, /the database that DATABASE_URL names does not exist: check its name, or create it/);
  await administrator.query("CREATE DATABASE made_later CHARACTER SET latin1");
  await api.ready();
  expect(await api.stop()).toBe(0);
});

it("an API on a replica says so, and works once it may write", async () => {
  const database = await createTestDatabase(server.url);
  const account = await createAccount(database.url, `${ROW_PRIVILEGES}, ${SCHEMA_PRIVILEGES}`);
  await administrator.query("SET GLOBAL read_only = 1");
  const api = await startApi({ databaseUrl: account.url });
  const replica = /the database takes no writes: check read_only, innodb_read_only and innodb_force_recovery, .*/;
  await told(api, replica);
  await administrator.query("SET GLOBAL read_only = 0");
  await api.ready();
  await api.stop();
});

it("a pair says that claims fail, and runs the task once they do not", async () => {
  const database = await createTestDatabase(server.url);
  const api = await startApi({ databaseUrl: database.url });
  await api.ready();
  const scheduler = await startScheduler({ apiAddress: api.grpcAddress });
  await scheduler.ready();
  const client = createTaskClient(api.grpcAddress);
  // As a setting of the server could that nobody has thought of.
  await administrator.query(
    `CREATE TRIGGER ${database.name}.stop BEFORE INSERT ON ${database.name}.executions FOR EACH ROW SIGNAL SQLSTATE '45000'`,
  );
  const { id } = await client.create({ name: "acknowledged", scheduledTimeMs: Date.now() + 1_000 });
  await told(
    api,
    /claims of schedulers have failed for more than 10 s: the database cannot be used; the log has the error/,
    30_000,
  );
  expect(await client.get(id)).toMatchObject({ state: "ACTIVE", runCount: 0 });
  await administrator.query(`DROP TRIGGER ${database.name}.stop`);
  await eventually("it has run", async () => (await client.runs(id))[0]?.state === "SUCCEEDED", 40_000);
  await Promise.all([api.ready(), scheduler.ready()]);
  client.close();
  await Promise.all([api.stop(), scheduler.stop()]);
});

it("a scheduler says why it is not registered: nobody answers, or the API has no database", async () => {
  const port = await freePort();
  const scheduler = await startScheduler({ apiAddress: `127.0.0.1:${port}` });
  const reason = /not registered with the API: check API_ADDRESS, and that the API is ready \(.+\)/;
  await told(scheduler, reason);
  await eventually("the log says so too", () => logOf(scheduler).some(({ reasons }) => reason.test(String(reasons))));
  const database = await createTestDatabase(server.url);
  const url = new URL(database.url);
  url.port = String(await freePort());
  const api = await startApi({ databaseUrl: url.href, grpcPort: port });
  await told(api, /nothing listens where DATABASE_URL leads: .*/);
  await told(scheduler, /not registered with the API: .* \(the database is not available; try again\)/);
  expect(await scheduler.stop()).toBe(0);
  expect(await api.stop()).toBe(0);
});
