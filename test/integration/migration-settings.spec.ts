import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { migrate, openSession } from "../setup/schema.js";
import { takeSnapshot } from "../setup/schema-snapshot.js";
import { createSchemaFixture, FOLDER, ORIGINAL_TABLE, type SchemaFixture } from "./schema-fixture.js";

/** Each changes what a statement means that leaves something to the server. */
const SETTINGS = [
  "--innodb-default-row-format=compact",
  "--innodb-strict-mode=OFF",
  "--innodb-force-primary-key=ON",
  "--default-storage-engine=MyISAM",
  "--character-set-server=latin1",
  "--collation-server=latin1_german2_ci",
  "--lower-case-table-names=1",
  "--alter-algorithm=INSTANT",
  "--explicit-defaults-for-timestamp=OFF",
  "--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,TIME_ROUND_FRACTIONAL,NO_ZERO_DATE",
  "--autocommit=OFF",
  "--max-statement-time=7",
  "--lock-wait-timeout=1",
];

let server: PrivateServer;
let odd: SchemaFixture;
let usual: SchemaFixture;

beforeAll(async () => {
  server = await startPrivateServer({ extraArgs: SETTINGS });
  odd = await createSchemaFixture(server.url);
  await odd.connection.query("SET autocommit = 1; SET GLOBAL sql_safe_updates = 1, GLOBAL sql_auto_is_null = 1");
  usual = await createSchemaFixture();
});
afterAll(async () => {
  await odd?.stop();
  await usual?.stop();
  await server?.stop();
});

/** The schema that the migrations made, without the names of constraints and the statistics of rows. */
async function schemaOf({ connection }: SchemaFixture): Promise<unknown> {
  const ours = "TABLE_SCHEMA = DATABASE() AND TABLE_NAME <> 'notes'";
  return Promise.all(
    [
      `SELECT TABLE_NAME, ENGINE, ROW_FORMAT, TABLE_COLLATION FROM information_schema.TABLES WHERE ${ours} ORDER BY 1`,
      `SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COLUMN_DEFAULT, IS_NULLABLE, COLLATION_NAME, EXTRA
         FROM information_schema.COLUMNS WHERE ${ours} ORDER BY 1, 2`,
      `SELECT TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NON_UNIQUE, SUB_PART
         FROM information_schema.STATISTICS WHERE ${ours} ORDER BY 1, 2, 3`,
    ].map((sql) => connection.query(sql)),
  );
}

it("the schema is the same whatever the server's settings are", async () => {
  await migrate(await usual.create(""), FOLDER, "up");
  await migrate(await odd.create(""), FOLDER, "up");
  expect(await schemaOf(odd)).toEqual(await schemaOf(usual));
});

it("a table of the original becomes the same as well, and its rows are committed", async () => {
  const rows = "INSERT INTO tasks (name, scheduled_time, recurrence) VALUES ('a', '2024-01-31 10:00:00', 'MONTHLY')";
  await migrate(await usual.create(`${ORIGINAL_TABLE}; ${rows}`), FOLDER, "up");
  await migrate(await odd.create(`${ORIGINAL_TABLE}; ${rows}`), FOLDER, "up");
  expect(await schemaOf(odd)).toEqual(await schemaOf(usual));
  const sql = "SELECT id, name, scheduled_time, recurrence, state, next_run_time > NOW(3) AS later FROM tasks";
  const found = await odd.connection.query(sql);
  expect(found).toMatchObject([{ id: 1, state: "ACTIVE", later: 1 }]);
  expect([...found]).toEqual([...(await usual.connection.query(sql))]);
});

it("every step goes down and up", async () => {
  const url = await odd.create("");
  await migrate(url, FOLDER, "up");
  const before = await schemaOf(odd);
  for (let steps = 0; steps < 9; steps += 1) expect(await migrate(url, FOLDER, "down")).toHaveLength(1);
  expect(await migrate(url, FOLDER, "down")).toEqual([]);
  await migrate(url, FOLDER, "up");
  expect(await schemaOf(odd)).toEqual(before);
});

it("names that differ in case alone are taken where the server does not tell them apart", async () => {
  const url = await odd.create(
    "CREATE TABLE Requests (n INT PRIMARY KEY); CREATE TABLE Schema_Migrations (n INT PRIMARY KEY)",
  );
  const before = await takeSnapshot(odd.connection);
  await expect(migrate(url, FOLDER, "up")).rejects.toThrow(
    "`schema_migrations` is not TaskScheduler's: another tool records its migrations there; " +
      "table `requests` is not recorded as TaskScheduler's",
  );
  expect(await takeSnapshot(odd.connection)).toEqual(before);
});

it("a statement may take as long as it needs, and commits by itself", async () => {
  const session = await openSession(await odd.create(""));
  const [row] = await session.query(
    "SELECT @@max_statement_time AS statement, @@lock_wait_timeout AS metadata, @@autocommit AS autocommit",
  );
  await session.end();
  expect(row).toEqual({ statement: 0, metadata: 30, autocommit: 1 });
});
