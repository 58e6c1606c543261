import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Connection } from "mariadb";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, startApi } from "../setup/processes.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { connectTo, createTestDatabase, type TestDatabase } from "../setup/test-database.js";

const OLD = 50_000;
const RETENTION_MS = 60_000;
/** Behind a purge in one piece it would be seconds. Room for a busy machine. */
const MAX_WRITE_MS = 1_000;

let database: TestDatabase;
let connection: Connection;
let api: ApiProcess;
let client: TaskClient;

beforeAll(async () => {
  database = await createTestDatabase();
  connection = await connectTo(database.url);
  api = await startApi({ databaseUrl: database.url });
  await api.ready();
  await api.stop();
});

afterAll(async () => {
  client?.close();
  await connection?.end();
  await killAll();
  await database?.drop();
});

/** Rows of tasks that nobody knows any more, each due and ended so long ago. */
async function fill(
  taskId: number,
  count: number,
  state: string,
  ageMs: number,
  endedMs: number | null,
): Promise<void> {
  await connection.query(
    `INSERT INTO executions (task_id, scheduled_time, task_name, trigger_kind, state, start_time, end_time)
       SELECT ?, UTC_TIMESTAMP(3) - INTERVAL (? * 1000 + seq) MICROSECOND - INTERVAL seq SECOND, 'old', 'SCHEDULE', ?,
         NULL, UTC_TIMESTAMP(3) - INTERVAL (? * 1000) MICROSECOND FROM seq_1_to_${count}`,
    [taskId, ageMs, state, endedMs],
  );
}

async function countOf(taskId: number): Promise<number> {
  const [row]: { count: number }[] = await connection.query(
    "SELECT COUNT(*) AS count FROM executions WHERE task_id = ?",
    [taskId],
  );
  return Number(row?.count);
}

it("rows that have ended go by and by, in pieces that hold up no writer; the others stay", async () => {
  const old = 10 * RETENTION_MS;
  const [succeeded, failed, missed, waiting, late] = [1, 2, 3, 4, 5] as const;
  await fill(succeeded, OLD, "SUCCEEDED", old, old);
  await fill(failed, 500, "FAILED", old, old);
  await fill(missed, 500, "MISSED", old, old);
  await fill(waiting, 10, "RUNNING", old, null);
  await fill(late, 10, "SUCCEEDED", old, 0);
  api = await startApi({ databaseUrl: database.url, env: { EXECUTION_RETENTION_MS: String(RETENTION_MS) } });
  await api.ready();
  client = createTaskClient(api.grpcAddress);

  let writes = 0;
  let longestMs = 0;
  let isPurged = false;
  const write = async () => {
    while (!isPurged) {
      const startMs = performance.now();
      const task = { name: `while it is purged ${++writes}`, scheduledTime: timestampFromMs(4e12) };
      await client.tasks.unary("createTask", { task });
      longestMs = Math.max(longestMs, performance.now() - startMs);
    }
  };
  const purged = eventually(
    "what has ended long ago is gone",
    async () => (await countOf(succeeded)) + (await countOf(failed)) + (await countOf(missed)) === 0,
    60_000,
  ).finally(() => {
    isPurged = true;
  });
  await Promise.all([purged, write(), write()]);
  process.stderr.write(`execution retention: ${writes} writes meanwhile, at most ${Math.round(longestMs)} ms\n`);
  expect([await countOf(waiting), await countOf(late)]).toEqual([10, 10]);
  expect(writes).toBeGreaterThan(10);
  expect(longestMs).toBeLessThan(MAX_WRITE_MS);
});
