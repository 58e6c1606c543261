import type { Connection } from "mariadb";
import { type MigrationStep, readSteps } from "../../packages/api/src/database/migrations/migration-step.js";
import { prepareRecords, recordBegun } from "../../packages/api/src/database/migrations/step-records.js";
import { migrate, openSession } from "../setup/schema.js";
import { takeSnapshot } from "../setup/schema-snapshot.js";
import { createRelease, createSchemaFixture, FOLDER, ORIGINAL_TABLE, type SchemaFixture } from "./schema-fixture.js";

const ORIGINAL = `${ORIGINAL_TABLE};
  INSERT INTO tasks (name, scheduled_time, recurrence) VALUES ('a', '2024-01-31 10:00:00', NULL), ('b', '2124-01-31 10:00:00', 'DAILY');`;

let schemas: SchemaFixture;
let steps: MigrationStep[];

beforeAll(async () => {
  schemas = await createSchemaFixture();
  steps = await readSteps(FOLDER);
});
afterAll(async () => {
  await schemas?.stop();
});

/** Every named object of the database, as information_schema tells it. */
async function objectsOf(connection: Connection): Promise<{ text: string; table: string }[]> {
  const database = "TABLE_SCHEMA = DATABASE()";
  return connection.query(
    `SELECT DISTINCT CONCAT(kind, ' ', \`table\`, ' ', name) AS text, \`table\` FROM (
       SELECT 'table' AS kind, TABLE_NAME AS \`table\`, TABLE_NAME AS name FROM information_schema.TABLES WHERE ${database}
       UNION ALL SELECT 'column', TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE ${database}
       UNION ALL SELECT 'key', TABLE_NAME, INDEX_NAME FROM information_schema.STATISTICS WHERE ${database}
       UNION ALL SELECT 'foreign key', TABLE_NAME, CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS
         WHERE ${database} AND CONSTRAINT_TYPE = 'FOREIGN KEY') AS objects
     WHERE \`table\` <> 'schema_migrations'`,
  );
}

/** Takes each step alone. @returns what each one added; a new table stands for its columns and keys */
async function addedBySteps(statements: string): Promise<string[][]> {
  const url = await schemas.create(statements);
  const added: string[][] = [];
  for (const [index] of steps.entries()) {
    const release = await createRelease(index + 1);
    const before = await objectsOf(schemas.connection);
    await migrate(url, release.folder, "up");
    await release.remove();
    const after = (await objectsOf(schemas.connection)).filter(
      ({ text }) => !before.some((each) => each.text === text),
    );
    const isNewTable = (table: string) => after.some(({ text }) => text === `table ${table} ${table}`);
    const texts = after.filter(({ text, table }) => !isNewTable(table) || /^(table|foreign key)/.test(text));
    added.push(texts.map(({ text }) => text).sort());
  }
  return added;
}

const madeBySteps = () =>
  steps.map(({ makes }) => makes.map(({ kind, table, name }) => `${kind} ${table} ${name}`).sort());

it("a step claims what it adds to an empty database, and nothing else", async () => {
  const expected = madeBySteps();
  // A key of adopted tables alone.
  expected[0] = expected[0]!.filter((text) => text !== "key tasks tasks_unique_name");
  expect(await addedBySteps("")).toEqual(expected);
});

it("a step claims what it adds to a database of the original", async () => {
  const expected = madeBySteps();
  expected[0] = expected[0]!.filter((text) => text !== "table tasks tasks");
  const withoutUnique = ORIGINAL.replace(" UNIQUE", "");
  expect(await addedBySteps(withoutUnique)).toEqual(expected);
});

it("no statement leaves an engine, a row format, a character set or an algorithm to the server", () => {
  const statements = steps.flatMap(({ up, down }) => [...up, ...down]);
  const creates = statements.filter((statement) => statement.startsWith("CREATE TABLE"));
  const alters = statements.filter((statement) => statement.startsWith("ALTER TABLE"));
  expect(creates.length + alters.length).toBeGreaterThan(20);
  for (const statement of creates) {
    expect(statement).toMatch(/\) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=\w+ COLLATE=\w+$/);
  }
  for (const statement of alters) expect(statement).toMatch(/,\s+ALGORITHM=DEFAULT$/);
});

describe("a migrator that was killed", () => {
  /** The definitions and rows, but for the times of the migration itself. */
  async function schemaOf(): Promise<object> {
    const { "BASE TABLE change_counter": _, ...others } = await takeSnapshot(schemas.connection);
    return JSON.parse(
      JSON.stringify(others, (key, value) => (/^(armed|create|update)_time$/.test(key) ? undefined : value)),
    );
  }

  it("before any statement of any step leaves a step that the next one finishes", async () => {
    await migrate(await schemas.create(ORIGINAL), FOLDER, "up");
    const expected = await schemaOf();
    const url = await schemas.create(ORIGINAL);
    const session = await openSession(url);
    await prepareRecords(session);
    let killed = 0;
    for (const [index, { name, up }] of steps.entries()) {
      await recordBegun(session, name);
      for (let done = 0; done <= up.length; done += 1, killed += 1) {
        for (const statement of up.slice(0, done)) await session.query(statement);
      }
      const release = await createRelease(index + 1);
      expect(await migrate(url, release.folder, "up")).toEqual([name]);
      await release.remove();
    }
    await session.end();
    expect(killed).toBeGreaterThan(40);
    expect(await schemaOf()).toEqual(expected);
  });

  it("before any statement down leaves a step that goes down, or up again", async () => {
    const url = await schemas.create(ORIGINAL);
    await migrate(url, FOLDER, "up");
    const expected = await schemaOf();
    const session = await openSession(url);
    for (const { name, down } of [...steps].reverse()) {
      await recordBegun(session, name);
      for (let done = 0; done <= down.length; done += 1) {
        for (const statement of down.slice(0, done)) await session.query(statement);
      }
      expect(await migrate(url, FOLDER, "down")).toEqual([name]);
    }
    await migrate(url, FOLDER, "up");
    const last = steps.at(-1)!;
    await recordBegun(session, last.name);
    for (const statement of last.down) await session.query(statement);
    expect(await migrate(url, FOLDER, "up")).toEqual([last.name]);
    await session.end();
    expect(await schemaOf()).toEqual(expected);
  });

  it("is told from somebody else by the record alone", async () => {
    const url = await schemas.create(ORIGINAL);
    const release = await createRelease(2);
    await migrate(url, release.folder, "up");
    await release.remove();
    const session = await openSession(url);
    for (const statement of steps[2]!.up) await session.query(statement);
    await expect(migrate(url, FOLDER, "up")).rejects.toThrow("table `executions` is not recorded as TaskScheduler's");
    await recordBegun(session, steps[2]!.name);
    await session.end();
    expect(await migrate(url, FOLDER, "up")).toEqual(steps.slice(2).map(({ name }) => name));
  });
});
