import type { SqlConnection } from "../../packages/api/src/database/database.js";
import { MigrationLock } from "../../packages/api/src/database/migrations/migration-lock.js";
import { prepareRecords } from "../../packages/api/src/database/migrations/step-records.js";
import { eventually } from "../setup/eventually.js";
import { startMigrator } from "../setup/migrator.js";
import { openSession } from "../setup/schema.js";
import { createSchemaFixture, type SchemaFixture } from "./schema-fixture.js";

/** Ten looks, two of them a beat: a silent holder is dead after 500 ms. */
const BEAT_MS = 100;

let schemas: SchemaFixture;
let url: string;
let sessions: SqlConnection[];

beforeAll(async () => {
  schemas = await createSchemaFixture();
});
beforeEach(async () => {
  sessions = [];
  url = await schemas.create("");
  await prepareRecords(await open());
});
afterEach(async () => {
  for (const session of sessions) await session.end().catch(() => undefined);
});
afterAll(async () => {
  await schemas?.stop();
});

async function open(): Promise<SqlConnection> {
  const session = await openSession(url);
  sessions.push(session);
  return session;
}

async function createLock(node: string): Promise<MigrationLock> {
  return new MigrationLock({ connection: await open(), node, open, beatMs: BEAT_MS });
}

const rows = (): Promise<{ holder: string; beat: number }[]> =>
  schemas.connection.query("SELECT holder, beat FROM schema_migrations WHERE name = 'lock'");

/** As a holder leaves it that was killed. */
const leaveLock = (holder: string) =>
  schemas.connection.query("INSERT INTO schema_migrations (name, state, holder) VALUES ('lock', 'BEGUN', ?)", [holder]);

it("one of many at different nodes has the lock, and each has it in turn", async () => {
  let holders = 0;
  const work = async (node: string) => {
    const lock = await createLock(node);
    await lock.acquire();
    holders += 1;
    expect(holders).toBe(1);
    await lock.requireHeld();
    holders -= 1;
    await lock.release();
  };
  await Promise.all(["a", "b", "c", "d"].map(work));
  expect(await rows()).toEqual([]);
});

it("a holder that beats keeps the lock for as long as it works", async () => {
  const [first, second] = await Promise.all([createLock("a"), createLock("b")]);
  await first.acquire();
  const waiting = second.acquire();
  await eventually(
    "the holder has beaten through more than a dead one's time",
    async () => (await rows())[0]!.beat > 10,
  );
  await first.requireHeld();
  await first.release();
  await waiting;
  await expect(first.requireHeld()).rejects.toThrow("another migrator has taken over");
  await second.release();
});

it("the next holder at another node takes over from a killed one after ten looks", async () => {
  await leaveLock("a/killed");
  const lock = await createLock("b");
  const startMs = performance.now();
  await lock.acquire();
  expect(performance.now() - startMs).toBeGreaterThan(9 * (BEAT_MS / 2));
  await lock.requireHeld();
  await lock.release();
});

it("the next holder at the same node takes over at once: it has the server's lock", async () => {
  await leaveLock("a/killed");
  const lock = await createLock("a");
  const seen = eventually("it holds the lock", async () => (await rows())[0]?.holder !== "a/killed");
  await lock.acquire();
  await seen;
  expect((await rows())[0]!.holder).toMatch(/^a\/[0-9a-f-]{36}$/);
  await lock.release();
});

it("a holder whose beats fail goes on with another connection", async () => {
  const lock = await createLock("a");
  await lock.acquire();
  await eventually("it beats", async () => (await rows())[0]!.beat > 1);
  // The first session made the table, the second has the lock, the third beats.
  const beating = sessions[2]!;
  await schemas.connection.query(`KILL ${beating.threadId}`);
  const { beat } = (await rows())[0]!;
  await eventually("it beats on", async () => (await rows())[0]!.beat > beat + 2);
  await lock.release();
});

it("a wait ends when the process is to stop", async () => {
  const first = await createLock("a");
  await first.acquire();
  const stopping = new AbortController();
  const waiting = (await createLock("b")).acquire({ signal: stopping.signal });
  stopping.abort(new Error("stop"));
  await expect(waiting).rejects.toThrow();
  await first.requireHeld();
  await first.release();
});

it("any number of `npm run migrate` at once end with 0, and one of them works", async () => {
  const database = await schemas.create("");
  const results = await Promise.all(Array.from({ length: 6 }, () => startMigrator(database).ended));
  expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0]);
  expect(results.filter(({ output }) => output !== "nothing to do\n")).toHaveLength(1);
  expect(await rows()).toEqual([]);
});
