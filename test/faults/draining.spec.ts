import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { TaskService } from "@taskscheduler/proto";
import { Pool } from "undici";
import { type Balancer, startBalancer } from "../setup/balancer.js";
import { grpcClient } from "../setup/clients.js";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

/** A process that stops fails no call, whatever stands between it and its callers. */

jest.setTimeout(120_000);

const HTTP_CONNECTIONS = 50;
const GRPC_CALLS = 10;
/** In each round one API stops, and the next one takes over. */
const ROUNDS = 2;
const LIMIT_MS = 60_000;

let database: TestDatabase;
/** The first one is the one that stops next. */
let apis: ApiProcess[];
let taskId: number;

beforeAll(async () => {
  database = await createTestDatabase();
  apis = [];
  for (let count = 0; count < 2 * ROUNDS + 1; count += 1) {
    const api = await startApi({ databaseUrl: database.url });
    await api.ready();
    apis.push(api);
  }
  const client = createTaskClient(apis[0]!.grpcAddress);
  taskId = (await client.create({ name: "read", scheduledTimeMs: Date.now() + 3_600_000 })).id;
  client.close();
});

afterAll(async () => {
  await killAll();
  await database?.drop();
});

const httpPortOf = (api: ServiceProcess): number => Number(new URL(api.httpUrl).port);
const grpcPortOf = (api: ApiProcess): number => Number(api.grpcAddress.split(":")[1]);

/** Calls without a pause, so many at a time, until it is stopped. */
function startLoad(callers: number, call: () => Promise<void>) {
  const failures: string[] = [];
  let answered = 0;
  let isStopped = false;
  const work = async (): Promise<void> => {
    while (!isStopped) {
      try {
        await call();
        answered += 1;
      } catch (error) {
        failures.push(String(error));
      }
    }
  };
  const working = Promise.all(Array.from({ length: callers }, work));
  return {
    failures,
    answered: () => answered,
    async stop() {
      isStopped = true;
      await working;
    },
  };
}

function startHttpLoad({ port }: Balancer) {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: HTTP_CONNECTIONS });
  const load = startLoad(HTTP_CONNECTIONS, async () => {
    const { statusCode, body } = await pool.request({ method: "GET", path: `/api/tasks/${taskId}` });
    await body.dump();
    if (statusCode !== 200) throw new Error(`status ${statusCode}`);
  });
  return { ...load, stop: () => load.stop().then(() => pool.close()) };
}

function startGrpcLoad({ port }: Balancer) {
  const client = grpcClient(TaskService, `127.0.0.1:${port}`);
  const load = startLoad(GRPC_CALLS, async () => {
    await client.unary("getTask", { id: taskId }, { deadline: Date.now() + LIMIT_MS });
  });
  return { ...load, stop: () => load.stop().then(() => client.close()) };
}

describe("behind a balancer, no call fails when an API stops under load", () => {
  /** The APIs that new connections are offered to, the first that takes one. */
  let targets: readonly ApiProcess[];
  let balancers: readonly Balancer[];

  beforeAll(async () => {
    targets = apis;
    balancers = [
      await startBalancer(() => targets.map(httpPortOf)),
      await startBalancer(() => targets.map(grpcPortOf)),
    ];
  });
  afterAll(() => Promise.all(balancers.map((balancer) => balancer.close())));

  it.each<[string, (stopping: ApiProcess, next: ApiProcess) => readonly ApiProcess[]]>([
    ["that sends new connections to the next one at once", (_, next) => [next]],
    ["that sends new connections to the stopping one until it refuses them", (stopping, next) => [stopping, next]],
  ])("one %s", async (_, targetsWhile) => {
    const loads = [startHttpLoad(balancers[0]!), startGrpcLoad(balancers[1]!)];
    for (let round = 0; round < ROUNDS; round += 1) {
      const [stopping, next] = [apis.shift()!, apis[0]!];
      targets = [stopping];
      const answered = loads.map((load) => load.answered());
      const goOn = () => loads.every((load, index) => load.answered() > answered[index]! + 100);
      await eventually("calls are answered", goOn, LIMIT_MS);
      targets = targetsWhile(stopping, next);
      expect(await stopping.stop()).toBe(0);
      for (const [index, load] of loads.entries()) answered[index] = load.answered();
      await eventually("calls are answered by the next", goOn, LIMIT_MS);
    }
    for (const load of loads) await load.stop();
    expect(loads.map(({ failures }) => failures)).toEqual([[], []]);
  });
});

/** A connection that is kept alive, as a raw client sees it. */
function open(port: number) {
  const socket: Socket = connect(port, "127.0.0.1");
  const chunks: string[] = [];
  socket.setEncoding("utf8").on("data", (chunk: string) => chunks.push(chunk));
  const closed = once(socket, "close");
  return {
    closed,
    /** The head of the answer. */
    async get(path: string): Promise<string> {
      chunks.length = 0;
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      return eventually("the head of an answer", () => /^.*?\r\n\r\n/s.exec(chunks.join(""))?.[0].toLowerCase());
    },
  };
}

describe.each<["api" | "scheduler"]>([["api"], ["scheduler"]])("a stopping %s", (name) => {
  it("answers over a connection that is kept alive, and ends the connection by that", async () => {
    const service =
      name === "api"
        ? await startApi({ databaseUrl: database.url })
        : await startScheduler({ apiAddress: apis[0]!.grpcAddress });
    await service.ready();
    const connection = open(httpPortOf(service));
    const idle = open(httpPortOf(service));
    const unused = open(httpPortOf(service));
    expect(await connection.get("/readyz")).toMatch(/^http\/1\.1 200 .*connection: keep-alive/s);
    expect(await idle.get("/healthz")).toMatch(/^http\/1\.1 200 /);
    service.signal("SIGTERM");
    await eventually("it stops", () => service.output().includes('"stopping"'));
    expect(await connection.get("/readyz")).toMatch(/^http\/1\.1 503 .*connection: close/s);
    await Promise.all([connection.closed, idle.closed, unused.closed]);
    expect(await service.exited).toBe(0);
  });
});

it("a stopping API takes connections as long as they come, and refuses them before its grace is over", async () => {
  const api = await startApi({ databaseUrl: database.url, env: { SHUTDOWN_GRACE_MS: "8000" } });
  await api.ready();
  api.signal("SIGTERM");
  await eventually("it stops", () => api.output().includes('"stopping"'));
  const statuses = new Set<number>();
  const ask = async () => {
    const response = await fetch(`${api.httpUrl}/readyz`, { headers: { connection: "close" } });
    statuses.add(response.status);
  };
  await ask();
  await eventually(
    "connections are refused",
    () =>
      ask().then(
        () => false,
        () => true,
      ),
    8_000,
  );
  expect([...statuses]).toEqual([503]);
  expect(await api.exited).toBe(0);
});
