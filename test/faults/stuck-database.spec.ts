import { SchedulerService } from "@taskscheduler/proto";
import type { Connection } from "mariadb";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { type ApiClients, at, clientsOf, type Fault, faultOf } from "../integration/api-fixture.js";
import { type GrpcClient, grpcClient } from "../setup/clients.js";
import { eventually } from "../setup/eventually.js";
import { metricOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, startApi } from "../setup/processes.js";
import { connectTo, createTestDatabase, type TestDatabase } from "../setup/test-database.js";

/** A lock that a backup or an administrator holds over the whole database, while calls of all kinds arrive. */

const LIMIT_MS = 10_000;
/** A list has its time in line beside that of the database. */
const LIST_LIMIT_MS = 16_000;
const LISTS = ["GET of a list", "ListTasks", "ListExecutions", "SummarizeExecutions"];
/** A busy machine answers this much later than it should. */
const ROOM_MS = 6_000;
const OLDEST_WAIT = "taskscheduler_api_oldest_write_wait_seconds";
const scheduledTime = at("2100-01-01T00:00:00Z");

let server: PrivateServer;
let database: TestDatabase;
let api: ApiProcess;
let clients: ApiClients;
let scheduler: GrpcClient<typeof SchedulerService>;
let incarnation: number;
let holder: Connection;
let taskId: number;
let serial = 0;

beforeAll(async () => {
  server = await startPrivateServer();
  database = await createTestDatabase(server.url);
  api = await startApi({ databaseUrl: database.url });
  await api.ready();
  clients = clientsOf(api);
  scheduler = grpcClient(SchedulerService, api.grpcAddress);
  holder = await connectTo(database.url);
  taskId = (await create("gRPC")).task!.id;
});

beforeEach(async () => {
  const registration = { schedulerId: "a", processId: "00000000-0000-4000-8000-000000000001", processStarted: true };
  incarnation = (await scheduler.unary("register", registration)).incarnation;
});

afterAll(async () => {
  scheduler?.close();
  clients?.close();
  holder?.destroy();
  await killAll();
  await server?.stop();
});

const create = (client: keyof ApiClients & ("gRPC" | "Connect, JSON")) =>
  clients[client].call("createTask", { task: { name: `task ${++serial}`, scheduledTime } });

interface Answer {
  readonly call: string;
  readonly afterMs: number;
  /** Undefined: it succeeded. */
  readonly fault: Pick<Fault, "code" | "reason"> | undefined;
}

async function timed(call: string, work: () => Promise<unknown>): Promise<Answer> {
  const beginMs = performance.now();
  let fault: Answer["fault"];
  await work().catch(async (error: unknown) => {
    const { code, reason } = await faultOf(Promise.reject(error));
    fault = { code, reason };
  });
  return { call, afterMs: performance.now() - beginMs, fault };
}

async function rest(method: "GET" | "POST", path: string, body?: object): Promise<unknown> {
  const init =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const response = await fetch(`${api.httpUrl}${path}`, { method, ...init });
  const detail = await response.json();
  if (response.ok) return detail;
  const code = { 429: 8, 503: 14 }[response.status];
  // As `faultOf` reads an error of gRPC.
  throw Object.assign(new Error(JSON.stringify(detail)), { code, details: "", metadata: { get: () => [] } });
}

const times = (count: number, call: string, work: () => Promise<unknown>) =>
  Array.from({ length: count }, () => timed(call, work));

/** Calls of every kind at once. */
function everyCall(): Promise<Answer[]> {
  const occurrence = { taskId, scheduledTimeMs: BigInt(Date.now()), recorded: false };
  const body = () => ({ name: `task ${++serial}`, scheduled_time: "2100-01-01T00:00:00" });
  return Promise.all([
    ...times(200, "CreateTask", () => create("gRPC")),
    ...times(20, "CreateTask by Connect", () => create("Connect, JSON")),
    ...times(20, "POST", () => rest("POST", "/api/tasks/", body())),
    ...times(200, "GetTask", () => clients.gRPC.call("getTask", { id: taskId })),
    ...times(20, "GET", () => rest("GET", `/api/tasks/${taskId}`)),
    ...times(20, "GET of a list", () => rest("GET", "/api/tasks/?skip=0&limit=10")),
    ...times(20, "ListTasks", () => clients.gRPC.call("listTasks", { countTotal: true })),
    ...times(20, "ListExecutions", () => clients.gRPC.call("listExecutions", {})),
    ...times(5, "SummarizeExecutions", () => clients.gRPC.call("summarizeExecutions", {})),
    ...times(20, "UpdateTask", () => clients.gRPC.call("updateTask", { task: { id: taskId, description: "a" } })),
    ...times(5, "ClaimExecutions", () =>
      scheduler.unary("claimExecutions", { incarnation, occurrences: [occurrence] }),
    ),
    ...times(5, "ReportExecutions", () => scheduler.unary("reportExecutions", { incarnation, reports: [] })),
    ...times(5, "Heartbeat", () => scheduler.unary("heartbeat", { incarnation })),
  ]);
}

const READS = ["GetTask", "GET", ...LISTS];

describe.each([
  ["the global read lock", ["FLUSH TABLES WITH READ LOCK"], "UNLOCK TABLES", false],
  [
    "a backup's block of commits",
    ["START", "FLUSH", "BLOCK_DDL", "BLOCK_COMMIT"].map((stage) => `BACKUP STAGE ${stage}`),
    "BACKUP STAGE END",
    false,
  ],
  ["a lock of the tasks' table", ["LOCK TABLES tasks WRITE"], "UNLOCK TABLES", true],
])("while %s is held", (_, locks, unlock, blocksReads) => {
  it("every call is answered in time, the operator is told, and all goes on afterwards", async () => {
    for (const lock of locks) await holder.query(lock);
    const told = api.output().length;
    const answers = everyCall();
    await eventually("the metric tells how long writes wait", async () => (await metricOf(api, OLDEST_WAIT)) > 2);
    const answered = await answers;
    await holder.query(unlock);
    const slowest = answered.reduce((a, b) => (a.afterMs > b.afterMs ? a : b));
    process.stderr.write(`${locks.at(-1)}: ${slowest.call} took ${Math.round(slowest.afterMs)} ms\n`);
    for (const { call, afterMs, fault } of answered) {
      const limitMs = LISTS.includes(call) ? LIST_LIMIT_MS : LIMIT_MS;
      expect(`${call} after ${afterMs < limitMs + ROOM_MS ? "less" : afterMs}`).toBe(`${call} after less`);
      const isFast = READS.includes(call) && !blocksReads;
      if (isFast) expect([call, fault]).toEqual([call, undefined]);
      else if (fault !== undefined) expect(["UNAVAILABLE", "RESOURCE_EXHAUSTED"]).toContain(fault.code);
    }
    const creates = answered.filter(({ call }) => call === "CreateTask");
    expect(new Set(creates.map(({ fault }) => fault?.reason))).toEqual(new Set(["DATABASE_UNAVAILABLE"]));
    expect(api.output().slice(told)).toMatch(/writes wait: the database does not commit/);
    expect(api.output().slice(told)).toMatch(/"reason":"DATABASE_UNAVAILABLE".*the database fails calls/);
    await eventually("writes go on", () => create("gRPC").catch(() => undefined));
    expect(await metricOf(api, OLDEST_WAIT)).toBe(0);
    expect(api.output()).not.toMatch(/internal error/);
  }, 60_000);
});
