import { TaskService } from "@taskscheduler/proto";
import { eventually } from "../setup/eventually.js";
import { metricOf } from "../setup/metrics.js";
import { createNamedPipe, type NamedPipe } from "../setup/named-pipe.js";
import { type ApiProcess, killAll, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

/** The log takes no more, and both processes go on. */

const LOG_LEVEL = "debug";
const CALLERS = 20;
const CALLS_AT_A_TIME = 200;
const LIMIT_MS = 60_000;

let database: TestDatabase;
let pipe: NamedPipe;

beforeEach(async () => {
  database = await createTestDatabase();
  pipe = createNamedPipe();
});

afterEach(async () => {
  await killAll();
  pipe.remove();
  await database.drop();
});

/** Each is a line of the log, with a cause. */
async function callInVain(api: ApiProcess): Promise<void> {
  const call = async (): Promise<void> => {
    const response = await fetch(`${api.httpUrl}/${TaskService.typeName}/GetTask`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"id":4000000000}',
    });
    await response.arrayBuffer();
    expect(response.status).toBe(404);
  };
  const share = Array.from({ length: CALLS_AT_A_TIME / CALLERS });
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      for (const _ of share) await call();
    }),
  );
}

async function expectReminderRuns(api: ApiProcess): Promise<void> {
  const client = createTaskClient(api.grpcAddress);
  const { id } = await client.create({ name: "reminder", scheduledTimeMs: Date.now() + 300 });
  await eventually("it has run", async () => (await client.runs(id))[0]?.state === "SUCCEEDED", LIMIT_MS);
  client.close();
}

it("on a full disk both live, work and stop", async () => {
  const options = { env: { LOG_LEVEL }, outputPath: "/dev/full" };
  const api = await startApi({ databaseUrl: database.url, ...options });
  const scheduler = await startScheduler({ apiAddress: api.grpcAddress, ...options });
  await Promise.all([api.ready(), scheduler.ready()]);
  await callInVain(api);
  await expectReminderRuns(api);
  expect(await scheduler.stop()).toBe(0);
  expect(await api.stop()).toBe(0);
});

it("a reader that stalls holds up nothing, and is told how many lines it missed; one that goes away ends nothing", async () => {
  const api = await startApi({ databaseUrl: database.url, env: { LOG_LEVEL }, outputPath: pipe.path });
  const dropped = () => metricOf(api, "taskscheduler_api_log_lines_dropped_total");
  await api.ready();
  let calls = 0;
  await eventually(
    "lines are dropped",
    async () => {
      await callInVain(api);
      calls += CALLS_AT_A_TIME;
      return (await dropped()) > 0;
    },
    LIMIT_MS,
  );
  expect((await fetch(`${api.httpUrl}/healthz`)).status).toBe(200);
  const count = await dropped();
  let text = "";
  await eventually("the gap is told", () => {
    text += pipe.read();
    return text.includes("log lines were dropped");
  });
  const lines: { msg: string; lines?: number }[] = text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  expect(lines.filter(({ msg }) => msg === "call")).toHaveLength(calls - count);
  expect(lines.flatMap((line) => line.lines ?? [])).toEqual([count]);

  pipe.closeReader();
  await callInVain(api);
  expect(await api.isReady()).toBe(true);
  expect(await api.stop()).toBe(0);
});
