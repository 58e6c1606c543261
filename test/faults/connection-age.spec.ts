import { once } from "node:events";
import { connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { CreateTaskRequestSchema, Health } from "@taskscheduler/proto";
import { createConnection } from "mariadb";
import { freePort } from "../../scripts/ports.mjs";
import { type ApiClient, CLIENTS, clientsOf, type Fault } from "../integration/api-fixture.js";
import { grpcClient } from "../setup/clients.js";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { expectEachOnce, startFlow, worstLatenessMs } from "./flow.js";
import { callOn } from "./raw-grpc.js";
import { envelope } from "./raw-http.js";

/** Room for a busy machine. */
jest.setTimeout(90_000);

const AGE_MS = 1_000;
const TOLD = 60;
const RESUMED = 3;
const SCHEDULERS = 3;
const LIMIT_MS = 60_000;
/** Less than a lease, and room for a busy machine. */
const LATENESS_MS = 1_500;

let database: TestDatabase;
let apis: ApiProcess[];
let client: TaskClient;

const launchApi = (grpcPort?: number) => {
  const ports = grpcPort === undefined ? {} : { grpcPort };
  return startApi({ databaseUrl: database.url, ...ports, env: { MAX_CONNECTION_AGE_MS: String(AGE_MS) } });
};

beforeAll(async () => {
  database = await createTestDatabase();
  apis = [await launchApi()];
  await apis[0]!.ready();
  client = createTaskClient(apis[0]!.grpcAddress);
});

afterAll(async () => {
  client?.close();
  await killAll();
  await database?.drop();
});

describe("a connection that has reached its age", () => {
  it("ends its watches, over every protocol, and they go on with their tokens where they ended", async () => {
    const clients = clientsOf(apis[0]!);
    const followers = CLIENTS.map((name) => startFollower(clients[name]));
    const names: string[] = [];
    while (followers.some(({ told, ends }) => told.length < TOLD || ends.length < RESUMED)) {
      names.push(`told ${names.length}`);
      await client.create({ name: names.at(-1)!, scheduledTimeMs: Date.now() + 86_400_000 });
    }
    for (const { told, ends, stop } of followers) {
      await eventually("it is told the last one", () => told.at(-1) === names.at(-1));
      // The first ones came in the snapshot.
      expect(told).toEqual(names.slice(names.indexOf(told[0]!)));
      for (const end of ends) expect(end).toMatchObject({ code: "UNAVAILABLE", reason: "CONNECTION_AGED" });
      await stop();
    }
    clients.close();
  });

  it("is not used again for a watch over HTTP", async () => {
    const response = await fetch(`${apis[0]!.httpUrl}/taskscheduler.v1.TaskService/WatchTasks`, {
      method: "POST",
      headers: { "content-type": "application/connect+json" },
      body: envelope("{}"),
    });
    expect(response.headers.get("connection")).toBe("close");
    expect(await response.text()).toContain("CONNECTION_AGED");
  });

  it("answers the calls under way before it closes", async () => {
    const holder = await createConnection(database.url);
    await holder.beginTransaction();
    await holder.query("SELECT * FROM change_counter FOR UPDATE");
    const session = connect(`http://${apis[0]!.grpcAddress}`);
    const closed = once(session, "close");
    const goneAway = once(session, "goaway");
    const answer = callOn(session, "/taskscheduler.v1.TaskService/CreateTask", [createRequest("under way")], {});
    await goneAway;
    await holder.rollback();
    await holder.end();
    expect(await answer).toMatchObject({ code: 0 });
    await closed;
  });

  it("ends the streams of health", async () => {
    const health = grpcClient(Health, apis[0]!.grpcAddress);
    const seen: number[] = [];
    const stream = health.stream("watch", { service: "" });
    stream.on("data", ({ status }: { status: number }) => seen.push(status));
    const [error] = await once(stream, "error");
    expect(error).toMatchObject({ code: 14, details: expect.stringContaining("maximum age") });
    expect(seen).toEqual([1]);
    health.close();
  });
});

describe("three schedulers whose connections age", () => {
  it("spread over an API that comes, without a late run, and nothing runs twice", async () => {
    const grpcPort = await freePort();
    const apiAddress = `${apis[0]!.grpcAddress},127.0.0.1:${grpcPort}`;
    const schedulers = await Promise.all(Array.from({ length: SCHEDULERS }, () => startScheduler({ apiAddress })));
    await Promise.all(schedulers.map((scheduler) => scheduler.ready()));
    apis.push(await launchApi(grpcPort));
    await apis[1]!.ready();
    const { tasks, ended } = await startFlow(client, { prefix: "aging", count: 60, intervalMs: 50, afterMs: 1_500 });
    const rows = await ended(LIMIT_MS);
    expectEachOnce(tasks, rows);
    expect(rows.every(({ attempt }) => attempt === 1)).toBe(true);
    process.stderr.write(`connection age: at most ${worstLatenessMs(rows)} ms late\n`);
    expect(worstLatenessMs(rows)).toBeLessThan(LATENESS_MS);
    await eventually("each API has a scheduler", () => new Set(schedulers.map(connectedTo)).size === 2);
    for (const scheduler of schedulers) expect(scheduler.output()).not.toContain('"cause":"unfit"');
    await Promise.all(schedulers.map((scheduler) => scheduler.stop()));
  });
});

/** Watches all tasks, and resumes whenever its stream ends. */
function startFollower(from: ApiClient) {
  const told: string[] = [];
  const ends: Fault[] = [];
  let isStopped = false;
  let stopWatch = (): void => undefined;
  const following = (async () => {
    for (let resumeToken = ""; !isStopped; ) {
      const watch = from.watch("watchTasks", { resumeToken });
      stopWatch = watch.cancel;
      let read = 0;
      const take = (): void => {
        for (const { event, resumeToken: token } of watch.events.slice(read)) {
          if (event.case === "upserted") told.push(event.value.name);
          if (token !== "") resumeToken = token;
        }
        read = watch.events.length;
      };
      const taking = setInterval(take, 10);
      const end = await watch.ended;
      clearInterval(taking);
      take();
      if (!isStopped) ends.push(end);
    }
  })();
  return {
    told,
    ends,
    stop() {
      isStopped = true;
      stopWatch();
      return following;
    },
  };
}

/** To which API a scheduler is connected, as it said last. */
function connectedTo(scheduler: ServiceProcess): string | undefined {
  return [...scheduler.output().matchAll(/"api":"([^"]+)","msg":"connected to an API"/g)].at(-1)?.[1];
}

function createRequest(name: string): Buffer {
  const request = { task: { name, scheduledTime: { seconds: 4_000_000_000n } } };
  return envelope(toBinary(CreateTaskRequestSchema, create(CreateTaskRequestSchema, request)));
}
