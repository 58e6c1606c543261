import { TaskService } from "@taskscheduler/proto";
import { createConnection } from "mariadb";
import { grpcClient } from "../setup/clients.js";
import { type ApiProcess, killAll, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { expectEachOnce, startFlow } from "./flow.js";

const TASKS = 300_000;
/** More than there are connections. */
const LISTERS = 40;
const RESOURCE_EXHAUSTED = 8;

let database: TestDatabase;
let api: ApiProcess;
let client: TaskClient;

beforeAll(async () => {
  database = await createTestDatabase();
  api = await startApi({ databaseUrl: database.url });
  await api.ready();
  client = createTaskClient(api.grpcAddress);
  const connection = await createConnection(database.url);
  await connection.query(
    `INSERT INTO tasks (name, scheduled_time, next_run_time)
       SELECT CONCAT('task number ', seq), '2100-01-01', '2100-01-01' FROM seq_1_to_${TASKS}`,
  );
  await connection.end();
});

afterAll(async () => {
  client?.close();
  await killAll();
  await database?.drop();
});

/** Lists that read the whole table each, all at once, until told to stop. @returns the codes of those that failed */
function listAllAlong() {
  const tasks = grpcClient(TaskService, api.grpcAddress);
  const failures: number[] = [];
  let isOver = false;
  let answered = 0;
  const listers = Array.from({ length: LISTERS }, async () => {
    while (!isOver) {
      await tasks.unary("listTasks", { nameContains: "nowhere", countTotal: true }).then(
        () => {
          answered += 1;
        },
        (error: { code: number }) => failures.push(error.code),
      );
    }
  });
  return {
    async stop() {
      isOver = true;
      await Promise.all(listers);
      tasks.close();
      return { answered, failures };
    },
  };
}

it("claims, heartbeats and writes find a connection, whatever is listed", async () => {
  const scheduler = await startScheduler({ apiAddress: api.grpcAddress });
  await scheduler.ready();
  const lists = listAllAlong();
  const flow = await startFlow(client, { prefix: "beside lists", count: 60, intervalMs: 50, afterMs: 3_000 });
  const runs = await flow.ended(40_000);
  const { answered, failures } = await lists.stop();
  expectEachOnce(flow.tasks, runs);
  // Nobody lost a lease.
  expect(runs.every(({ attempt }) => attempt === 1)).toBe(true);
  expect(answered).toBeGreaterThan(0);
  expect(failures.filter((code) => code !== RESOURCE_EXHAUSTED)).toEqual([]);
});
