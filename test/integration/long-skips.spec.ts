import { eventually } from "../setup/eventually.js";
import { type ApiProcess, startApi } from "../setup/processes.js";
import { createRandom } from "../setup/random.js";
import { connectTo } from "../setup/test-database.js";
import { type ApiClient, type ApiClients, type ApiFixture, at, clientsOf, startApiFixture } from "./api-fixture.js";

/** More than REST skips one by one. */
const TASKS = 12_000;
const ROUNDS = 30;
const scheduledTime = at("2100-01-01T00:00:00Z");

let fixture: ApiFixture;
let other: ApiProcess;
let otherClients: ApiClients;

beforeAll(async () => {
  fixture = await startApiFixture();
  other = await startApi({ databaseUrl: fixture.database.url });
  await other.ready();
  otherClients = clientsOf(other);
  await fixture.query(
    `INSERT INTO tasks (id, name, scheduled_time, next_run_time)
       SELECT 3 * seq, CONCAT('task ', seq), '2100-01-01', '2100-01-01' FROM seq_1_to_${TASKS}`,
  );
});
afterAll(async () => {
  otherClients?.close();
  await other?.stop();
  await fixture?.stop();
});

async function expectPage(skip: number, limit = 3): Promise<void> {
  const rows = await fixture.query("SELECT id FROM tasks ORDER BY id LIMIT ? OFFSET ?", [limit, skip]);
  for (const { httpUrl } of [fixture.api, other]) {
    const answer = await fetch(`${httpUrl}/api/tasks/?skip=${skip}&limit=${limit}`);
    const tasks = (await answer.json()) as { id: number }[];
    expect([skip, ...tasks.map(({ id }) => id)]).toEqual([skip, ...rows.map(({ id }) => id)]);
  }
}

it("know what commits while they count for the first time", async () => {
  const holder = await connectTo(fixture.database.url);
  const waiting = (statement: string) =>
    eventually(`one waits at ${statement}`, async () => {
      const rows = await fixture.query(
        `SELECT id FROM information_schema.processlist
           WHERE id <> CONNECTION_ID() AND db = DATABASE() AND info LIKE ?`,
        [statement],
      );
      return rows.length > 0;
    });
  try {
    // Lets nobody append to the log, and so commit.
    await holder.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    await holder.query("BEGIN");
    await holder.query("SELECT revision FROM changes WHERE revision > 0 FOR UPDATE");
    const deleted = otherClients.gRPC.call("deleteTask", { id: 3 });
    await waiting("%INSERT INTO changes%");
    const first = fetch(`${fixture.api.httpUrl}/api/tasks/?skip=10000&limit=1`);
    await waiting("SELECT%FROM change_counter%LOCK IN SHARE MODE");
    await holder.query("ROLLBACK");
    await Promise.all([deleted, first]);
  } finally {
    holder.destroy();
  }
  await expectPage(10_000);
});

it("skip as many as there are, up to the end and beyond", async () => {
  for (const skip of [9_999, 10_000, 10_001, TASKS - 2, TASKS, TASKS + 1, Number.MAX_SAFE_INTEGER])
    await expectPage(skip);
  await expectPage(10_000, 1_000);
});

it("know what was created and deleted just before, whichever API did it", async () => {
  const random = createRandom("long skips");
  const clients: ApiClient[] = [fixture.client, otherClients.gRPC];
  for (let round = 0; round < ROUNDS; round += 1) {
    const client = random.pick(clients);
    if (random.below(2) === 0) {
      const tasks = Array.from({ length: random.between(1, 5) }, (_, index) => ({
        name: `${round} ${index}`,
        scheduledTime,
      }));
      await client.call("batchCreateTasks", { tasks });
    } else {
      const [row] = await fixture.query("SELECT id FROM tasks ORDER BY id LIMIT 1 OFFSET ?", [
        random.between(0, TASKS - 100),
      ]);
      await client.call("deleteTask", { id: Number(row!["id"]) });
    }
    await expectPage(random.between(10_000, TASKS - 100));
  }
});
