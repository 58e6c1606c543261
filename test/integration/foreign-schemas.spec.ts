import { SchemaRefusedError } from "../../packages/api/src/database/migrations/schema-refused-error.js";
import { eventually } from "../setup/eventually.js";
import { startMigrator } from "../setup/migrator.js";
import { killAll, startApi } from "../setup/processes.js";
import { migrate } from "../setup/schema.js";
import { takeSnapshot } from "../setup/schema-snapshot.js";
import { createSchemaFixture, FOLDER, ORIGINAL_TABLE, type SchemaFixture } from "./schema-fixture.js";

/** A database of somebody else, and every fault that its refusal names. */
interface ForeignSchema {
  readonly what: string;
  readonly statements: string;
  readonly faults: readonly string[];
}

const isNotOurs = (phrase: string) => `${phrase} is not recorded as TaskScheduler's`;
const anotherTool = "`schema_migrations` is not TaskScheduler's: another tool records its migrations there";

const APP_TABLES = `CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(100)); INSERT INTO users VALUES (1, 'a@b.example');`;
const TASK_LABELS = `CREATE TABLE task_labels (id INT PRIMARY KEY, label VARCHAR(50));
  INSERT INTO task_labels VALUES (1, 'red'), (2, 'green'), (3, 'blue');`;
const REQUESTS = `CREATE TABLE requests (id INT PRIMARY KEY, path TEXT, create_time DATETIME);
  INSERT INTO requests VALUES (1, '/old', '2024-01-01 00:00:00');`;
const ORIGINAL = `${ORIGINAL_TABLE}; INSERT INTO tasks (name, scheduled_time) VALUES ('a task', '2024-01-01');`;
/** The table that an earlier release kept. */
const EARLIER_RECORDS =
  "CREATE TABLE schema_migrations (name VARCHAR(255) PRIMARY KEY) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin;";
const lacks = (...columns: string[]) =>
  `table \`tasks\` is not the original system's: it lacks ${columns.map((name) => `\`${name}\``).join(", ")}`;

const NAMES: ForeignSchema[] = [
  {
    what: "two tables of an app",
    statements: APP_TABLES + TASK_LABELS + REQUESTS,
    faults: [isNotOurs("table `requests`"), isNotOurs("table `task_labels`")],
  },
  {
    what: "a table beside the original's",
    statements: ORIGINAL + TASK_LABELS,
    faults: [isNotOurs("table `task_labels`")],
  },
  {
    what: "every table that we make",
    statements: [
      ...["executions", "schedulers", "change_counter", "changes", "change_flushes"],
      ...["requests", "task_labels", "retries", "execution_stats"],
    ]
      .map(
        (name) =>
          `CREATE TABLE ${name} (lease_ms INT, process_id INT, retry_time INT); INSERT INTO ${name} VALUES (1, 2, 3);`,
      )
      .join("\n"),
    faults: [
      ...["executions", "schedulers", "change_counter", "changes", "change_flushes"],
      ...["requests", "task_labels", "retries", "execution_stats"],
    ].map((name) => isNotOurs(`table \`${name}\``)),
  },
  {
    what: "a MyISAM table",
    statements: "CREATE TABLE retries (n INT) ENGINE=MyISAM; INSERT INTO retries VALUES (1);",
    faults: [isNotOurs("table `retries`")],
  },
  {
    what: "an empty table",
    statements: "CREATE TABLE changes (id INT PRIMARY KEY);",
    faults: [isNotOurs("table `changes`")],
  },
  {
    what: "a table with system versioning",
    statements: "CREATE TABLE changes (id INT PRIMARY KEY) WITH SYSTEM VERSIONING;",
    faults: [isNotOurs("table `changes`")],
  },
  {
    what: "views",
    statements: `${APP_TABLES} CREATE VIEW executions AS SELECT * FROM users; CREATE VIEW requests AS SELECT 1 AS n;`,
    faults: [isNotOurs("view `executions`"), isNotOurs("view `requests`")],
  },
  {
    what: "sequences",
    statements: "CREATE SEQUENCE changes; CREATE SEQUENCE change_counter START WITH 7;",
    faults: [isNotOurs("sequence `change_counter`"), isNotOurs("sequence `changes`")],
  },
  {
    what: "a trigger",
    statements: `${APP_TABLES} CREATE TRIGGER Requests BEFORE INSERT ON users FOR EACH ROW SET NEW.email = 'x';`,
    faults: [isNotOurs("trigger `requests`")],
  },
  {
    what: "a foreign key",
    statements: `${APP_TABLES} CREATE TABLE logins (user_id INT, CONSTRAINT Task_Labels_Of_Task FOREIGN KEY (user_id) REFERENCES users (id));`,
    faults: [isNotOurs("foreign key `task_labels_of_task`")],
  },
  {
    what: "columns of the original's table",
    statements: `CREATE TABLE tasks (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255) UNIQUE, scheduled_time DATETIME,
        recurrence VARCHAR(9), description TEXT, \`Labels\` JSON, STATE VARCHAR(10), timeout_ms INT, webhook TEXT);
      INSERT INTO tasks VALUES (1, 'a', '2024-01-01', NULL, 'mine', '{}', 'open', 5, 'https://mine.example');`,
    faults: [
      ...[isNotOurs("column `tasks`.`description`"), isNotOurs("column `tasks`.`labels`")],
      ...[isNotOurs("column `tasks`.`state`"), isNotOurs("column `tasks`.`webhook`")],
      isNotOurs("column `tasks`.`timeout_ms`"),
    ],
  },
  {
    what: "keys of the original's table",
    statements: `${ORIGINAL} ALTER TABLE tasks ADD KEY tasks_name (name), ADD KEY Tasks_Due (scheduled_time),
        ADD KEY tasks_unique_name (recurrence);`,
    faults: [
      isNotOurs("key `tasks`.`tasks_unique_name`"),
      isNotOurs("key `tasks`.`tasks_due`"),
      isNotOurs("key `tasks`.`tasks_name`"),
    ],
  },
  {
    what: "tables after the first steps of an earlier release",
    statements: `${ORIGINAL} ${EARLIER_RECORDS} INSERT INTO schema_migrations VALUES ('0001-tasks'); ${TASK_LABELS}`,
    faults: [isNotOurs("table `task_labels`")],
  },
];

const TASKS: ForeignSchema[] = [
  {
    what: "a list of things to do",
    statements:
      "CREATE TABLE tasks (id INT PRIMARY KEY, title TEXT, done BOOLEAN); INSERT INTO tasks VALUES (1, 'shop', 0);",
    faults: [lacks("name", "scheduled_time", "recurrence")],
  },
  {
    what: "a list of things to do, beside other tables of the app",
    statements: `CREATE TABLE tasks (id INT PRIMARY KEY, name TEXT, state INT); ${REQUESTS}`,
    faults: [isNotOurs("column `tasks`.`state`"), isNotOurs("table `requests`"), lacks("scheduled_time", "recurrence")],
  },
  {
    what: "a view",
    statements: `${APP_TABLES} CREATE VIEW tasks AS SELECT id, email AS name FROM users;`,
    faults: [isNotOurs("view `tasks`")],
  },
  { what: "a sequence", statements: "CREATE SEQUENCE tasks;", faults: [isNotOurs("sequence `tasks`")] },
];

const RECORDS: ForeignSchema[] = [
  {
    what: "Rails",
    statements: `CREATE TABLE schema_migrations (version VARCHAR(255) PRIMARY KEY);
      INSERT INTO schema_migrations VALUES ('20240101000000'); CREATE TABLE ar_internal_metadata (\`key\` VARCHAR(255) PRIMARY KEY);`,
    faults: [anotherTool],
  },
  {
    what: "golang-migrate",
    statements:
      "CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, dirty BOOLEAN NOT NULL); INSERT INTO schema_migrations VALUES (7, 0);",
    faults: [anotherTool],
  },
  {
    what: "a tool with names of its own",
    statements: `CREATE TABLE schema_migrations (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255), executed_at DATETIME);
      INSERT INTO schema_migrations VALUES (1, '0001-tasks', NOW());`,
    faults: [anotherTool],
  },
  {
    what: "a tool with names alone",
    statements:
      "CREATE TABLE schema_migrations (name VARCHAR(255) PRIMARY KEY) CHARSET=utf8mb4; INSERT INTO schema_migrations VALUES ('001_users.sql');",
    faults: [anotherTool],
  },
  {
    what: "a tool whose table looks like ours",
    statements: `${EARLIER_RECORDS} INSERT INTO schema_migrations VALUES ('001_users.sql');`,
    faults: ["`schema_migrations` records steps that this release does not know: `001_users.sql`"],
  },
  {
    what: "a view",
    statements: "CREATE VIEW schema_migrations AS SELECT 'x' AS name;",
    faults: [anotherTool],
  },
  {
    what: "another tool, in the original's database with names of ours",
    statements: `${ORIGINAL} CREATE TABLE schema_migrations (version INT); ${REQUESTS} ${TASK_LABELS}`,
    faults: [anotherTool, isNotOurs("table `requests`"), isNotOurs("table `task_labels`")],
  },
];

let schemas: SchemaFixture;

beforeAll(async () => {
  schemas = await createSchemaFixture();
});
afterAll(async () => {
  await killAll();
  await schemas?.stop();
});

async function expectRefused({ statements, faults }: ForeignSchema): Promise<void> {
  const url = await schemas.create(statements);
  const before = await takeSnapshot(schemas.connection);
  const refusal = await migrate(url, FOLDER, "up").catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(SchemaRefusedError);
  expect((refusal as SchemaRefusedError).faults.map(({ fault }) => fault).sort()).toEqual([...faults].sort());
  for (const fault of faults) expect((refusal as SchemaRefusedError).message).toContain(fault);
  expect(await takeSnapshot(schemas.connection)).toEqual(before);
}

describe("a database is refused and stays as it is, when our names are taken by", () => {
  it.each(NAMES)("$what", expectRefused);
});

describe("a database is refused and stays as it is, when `tasks` is", () => {
  it.each(TASKS)("$what", expectRefused);
});

describe("a database is refused and stays as it is, when `schema_migrations` is of", () => {
  it.each(RECORDS)("$what", expectRefused);

  it.each(RECORDS)("$what, on the way down too", async ({ statements }) => {
    const url = await schemas.create(statements);
    const before = await takeSnapshot(schemas.connection);
    await expect(migrate(url, FOLDER, "down")).rejects.toThrow(SchemaRefusedError);
    expect(await takeSnapshot(schemas.connection)).toEqual(before);
  });
});

it("no step down touches a database that records no step", async () => {
  const url = await schemas.create(ORIGINAL + TASK_LABELS + REQUESTS);
  const before = await takeSnapshot(schemas.connection);
  expect(await migrate(url, FOLDER, "down")).toEqual([]);
  expect(await takeSnapshot(schemas.connection)).toEqual(before);
});

it("a step down that went to its end gives its names back", async () => {
  const url = await schemas.create("");
  await migrate(url, FOLDER, "up");
  while ((await migrate(url, FOLDER, "down"))[0] !== "0008-summaries");
  await schemas.connection.query("CREATE TABLE execution_stats (n INT); INSERT INTO execution_stats VALUES (1)");
  const before = await takeSnapshot(schemas.connection);
  await expect(migrate(url, FOLDER, "up")).rejects.toThrow(isNotOurs("table `execution_stats`"));
  expect(await takeSnapshot(schemas.connection)).toEqual(before);
});

it("names are compared as the server compares them", async () => {
  const [{ folded }] = await schemas.connection.query("SELECT @@lower_case_table_names AS folded");
  expect(folded).toBe(0);
  const url = await schemas.create("CREATE TABLE Requests (n INT); INSERT INTO Requests VALUES (1);");
  expect(await migrate(url, FOLDER, "up")).toHaveLength(9);
  expect(await schemas.connection.query("SELECT n FROM Requests")).toEqual([{ n: 1 }]);
});

it("`npm run migrate` says what is in the way and what to do, and ends with 78", async () => {
  const url = await schemas.create(TASK_LABELS + REQUESTS);
  const { code, output } = await startMigrator(url).ended;
  expect(code).toBe(78);
  expect(output).toBe(
    `the migration failed: the schema is refused: ${isNotOurs("table `requests`")}; ${isNotOurs("table `task_labels`")}. ` +
      "Give TaskScheduler a database of its own, or rename what is not its own.\n",
  );
});

it("an API is not ready, says why, and its retention removes no row of the app's", async () => {
  const url = await schemas.create(ORIGINAL + TASK_LABELS + REQUESTS);
  const before = await takeSnapshot(schemas.connection);
  const env = { EXECUTION_RETENTION_MS: "60000", CHANGE_RETENTION_MS: "60000" };
  const api = await startApi({ databaseUrl: url, env });
  await eventually("it names the tables", async () =>
    ["table `requests`", "table `task_labels`"].every((phrase) => api.output().includes(isNotOurs(phrase))),
  );
  expect(await api.isReady()).toBe(false);
  expect(await api.stop()).toBe(0);
  expect(await takeSnapshot(schemas.connection)).toEqual(before);
});
