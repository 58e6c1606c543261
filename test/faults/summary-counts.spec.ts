import type { Connection } from "mariadb";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { freePort } from "../../scripts/ports.mjs";
import { countedExecutions } from "../setup/counted-executions.js";
import { eventually } from "../setup/eventually.js";
import { migrate, undoThrough } from "../setup/migrator.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createRandom } from "../setup/random.js";
import { soakOr } from "../setup/soak.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { connectTo, createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { startEditingWriters } from "./editing-writers.js";
import { describePlan, planKills, strikeBy, type Victim } from "./kill-plan.js";

/**
 * The counts that summaries are read from, against the ledger that they count: with two APIs and two schedulers, what is
 * created, moved, paused, deleted and run by hand meanwhile, and kill -9 of everybody.
 */

const KILLS_MS = soakOr(30_000, 12_000);
const LEASE_MS = 1_500;
const LOAD = soakOr(1_500, 900);
const INTERVAL_MS = 20;
const HOUR_MS = 3_600_000;
const SETTLE_MS = 60_000;
/** Among those that are killed. It is one in any case. */
const MARIADB = 4;

let server: PrivateServer;
let database: TestDatabase;
let connection: Connection;
let ports: { readonly httpPort: number; readonly grpcPort: number }[];
let apis: ApiProcess[];
let schedulers: ServiceProcess[];
let clients: TaskClient[];

const launchApi = (index: number) =>
  startApi({
    databaseUrl: database.url,
    ...ports[index]!,
    env: { LEASE_MS: String(LEASE_MS), LOG_LEVEL: "warn" },
  });
const launchScheduler = (index: number) =>
  startScheduler({
    apiAddress: `127.0.0.1:${ports[index]!.grpcPort}`,
    schedulerId: `scheduler ${index}`,
    env: { LOG_LEVEL: "warn" },
  });
const connect = () => connectTo(database.url, { dateStrings: true, bigIntAsNumber: true });

beforeAll(async () => {
  server = await startPrivateServer();
  database = await createTestDatabase(server.url);
  const pair = async () => ({ httpPort: await freePort(), grpcPort: await freePort() });
  ports = [await pair(), await pair()];
  apis = await Promise.all([0, 1].map(launchApi));
  schedulers = await Promise.all([0, 1].map(launchScheduler));
  await Promise.all([...apis, ...schedulers].map((each) => each.ready()));
  clients = apis.map((api) => createTaskClient(api.grpcAddress));
}, 120_000);

afterAll(async () => {
  for (const client of clients ?? []) client.close();
  await killAll();
  await server?.stop();
});

function victims(): Victim[] {
  const processes = [0, 1].flatMap((index): Victim[] => [
    {
      name: `api ${index}`,
      async restart() {
        await apis[index]!.kill();
        apis[index] = await launchApi(index);
      },
    },
    {
      name: `scheduler ${index}`,
      async restart() {
        await schedulers[index]!.kill();
        schedulers[index] = await launchScheduler(index);
      },
    },
  ]);
  const restart = async () => {
    await server.kill();
    await server.start();
  };
  return [...processes, { name: "mariadb", restart }];
}

async function expectCounted(): Promise<void> {
  const { counts, ledger } = await countedExecutions(connection);
  expect(ledger).not.toEqual([]);
  expect(counts).toEqual(ledger);
}

it("are what the ledger says, whoever was killed, and counted anew they are the same", async () => {
  const random = createRandom("summary counts");
  const drawn = planKills(random.fork(), victims().length, KILLS_MS);
  const plan = [{ pauseMs: 6_000, victims: [MARIADB] }, ...drawn];
  process.stderr.write(`summary counts: ${describePlan(plan, victims())}\n`);
  const startMs = Date.now() + 3_000;
  // Each third is hours late, with a slot of its own.
  const drafts = Array.from({ length: LOAD }, (_, index) => {
    const dueMs = startMs + index * INTERVAL_MS;
    return { name: `load ${index}`, scheduledTimeMs: index % 3 === 0 ? dueMs - index * HOUR_MS : dueMs };
  });
  await clients[0]!.createAll(drafts);
  const writers = startEditingWriters(clients, random.fork());
  await strikeBy(plan, victims());
  await writers.stop();
  await Promise.all([...apis, ...schedulers].map((each) => each.ready()));
  connection = await connect();
  await expectCounted();

  await eventually(
    "nothing is open any more",
    async () => {
      const [row] = await connection.query(
        "SELECT COUNT(*) AS n FROM executions WHERE state IN ('PENDING','CLAIMED','RUNNING','RETRYING')",
      );
      return row.n === 0;
    },
    SETTLE_MS,
  );
  await expectCounted();
  const rows: { state: string; n: number }[] = await connection.query(
    "SELECT state, COUNT(*) AS n FROM executions GROUP BY state",
  );
  process.stderr.write(`summary counts: ${rows.map(({ state, n }) => `${n} ${state}`).join(", ")}\n`);
  for (const { executions } of clients) {
    const scheduledAfter = { seconds: 0n, nanos: 0 };
    const { counts } = await executions.unary("summarizeExecutions", { scheduledAfter });
    expect(counts.reduce((sum, { count }) => sum + Number(count), 0)).toBe(rows.reduce((sum, { n }) => sum + n, 0));
  }

  await Promise.all([...apis, ...schedulers].map((each) => each.stop()));
  await connection.end();
  connection = await connect();
  await expectCounted();
  await undoThrough(database.url, "0008-summaries");
  await migrate(database.url);
  await expectCounted();
  await connection.end();
}, 240_000);
