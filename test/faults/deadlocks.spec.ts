import type { Connection } from "mariadb";
import { type ApiFixture, at, startApiFixture } from "../integration/api-fixture.js";
import { eventually } from "../setup/eventually.js";
import { connectTo } from "../setup/test-database.js";

/** A group of writes that the database ends in the middle, to break a deadlock with somebody else's transaction. */

const scheduledTime = at("2100-01-01T00:00:00Z");
/** InnoDB ends the transaction that has written less. */
const MANY_ROWS = 500;

let fixture: ApiFixture;
let observer: Connection;
let rival: Connection;
let holder: Connection;

beforeAll(async () => {
  fixture = await startApiFixture();
});
afterAll(() => fixture?.stop());

beforeEach(async () => {
  [observer, rival, holder] = (await Promise.all([1, 2, 3].map(() => connectTo(fixture.database.url)))) as [
    Connection,
    Connection,
    Connection,
  ];
});
afterEach(() => {
  for (const connection of [observer, rival, holder]) connection.destroy();
});

async function create(name: string, labels: Record<string, string> = {}) {
  const { task } = await fixture.client.call("createTask", { task: { name, scheduledTime, labels } });
  return task!;
}

function waitingAt(statement: string, count: number): Promise<unknown> {
  return eventually(`${count} wait at ${statement}`, async () => {
    const rows: { n: bigint }[] = await observer.query(
      `SELECT COUNT(*) AS n FROM information_schema.processlist
         WHERE id <> CONNECTION_ID() AND db = DATABASE() AND info LIKE ?`,
      [statement],
    );
    return Number(rows[0]!.n) >= count;
  });
}

async function beginRival(): Promise<void> {
  await rival.query("BEGIN");
  await rival.query(
    `INSERT INTO tasks (name, scheduled_time) SELECT CONCAT('rival ', UUID()), '2100-01-01' FROM seq_1_to_${MANY_ROWS}`,
  );
}

/** Calls that are sent while both groups of the API are held up: all of them share the next one. */
async function inOneGroup<T>(calls: () => Promise<T>): Promise<{ answers: Promise<T> }> {
  const held = [await create(`held ${performance.now()}`), await create(`held too ${performance.now()}`)];
  await holder.query("BEGIN");
  await holder.query("SELECT id FROM tasks WHERE id IN (?) FOR UPDATE", [held.map(({ id }) => id)]);
  const updates: Promise<unknown>[] = [];
  for (const { id } of held) {
    updates.push(fixture.client.call("updateTask", { task: { id, description: "held up" } }));
    await waitingAt("SELECT%FROM tasks WHERE id IN%FOR UPDATE", updates.length);
  }
  const answers = calls();
  // Calls of one connection arrive in their order.
  await fixture.client.call("getTask", { id: held[0]!.id });
  await holder.query("COMMIT");
  await Promise.all(updates);
  return { answers };
}

it("writes nothing of a group whose creates met a deadlock, before all of it is written", async () => {
  const task = await create("updated beside");
  await beginRival();
  await rival.query("INSERT INTO tasks (name, scheduled_time) VALUES ('second', '2100-01-01')");
  const { answers } = await inOneGroup(() =>
    Promise.all([
      fixture.client.call("batchCreateTasks", { tasks: ["first", "second"].map((name) => ({ name, scheduledTime })) }),
      fixture.client.call("updateTask", { task: { id: task.id, description: "changed" } }),
    ]),
  );
  await waitingAt("INSERT INTO tasks%first%", 1);
  await rival.query("INSERT INTO tasks (name, scheduled_time) VALUES ('first', '2100-01-01')");
  await rival.query("ROLLBACK");
  const [created, updated] = await answers;
  expect(created.results.map(({ result }) => result.case)).toEqual(["task", "task"]);
  expect(updated.task).toMatchObject({ description: "changed", etag: `${task.id}-2` });
});

it("writes nothing of a group whose deletes met a deadlock, before all of it is written", async () => {
  const task = await create("to be deleted", { colour: "red" });
  await beginRival();
  await rival.query("UPDATE task_labels SET value = 'blue' WHERE task_id = ?", [task.id]);
  const { answers } = await inOneGroup(() =>
    Promise.all([
      fixture.client.call("deleteTask", { id: task.id }),
      fixture.client.call("createTask", { task: { name: "created beside", scheduledTime } }),
    ]),
  );
  await waitingAt("%DELETE FROM tasks%", 1);
  await rival.query("SELECT id FROM tasks WHERE id = ? FOR UPDATE", [task.id]);
  await rival.query("ROLLBACK");
  const [, created] = await answers;
  expect(created.task).toMatchObject({ name: "created beside" });
});
