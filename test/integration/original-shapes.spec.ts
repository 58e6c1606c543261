import { SchemaRefusedError } from "../../packages/api/src/database/migrations/schema-refused-error.js";
import { killAll, startApi } from "../setup/processes.js";
import { migrate } from "../setup/schema.js";
import { takeSnapshot } from "../setup/schema-snapshot.js";
import { createTaskClient } from "../setup/task-client.js";
import { createRelease, createSchemaFixture, FOLDER, type OtherRelease, type SchemaFixture } from "./schema-fixture.js";

const ID = "id INT AUTO_INCREMENT PRIMARY KEY";
const NAME = "name VARCHAR(255) NOT NULL UNIQUE";
const TIME = "scheduled_time DATETIME NOT NULL";
const RECURRENCE = "recurrence ENUM('ONCE','DAILY','WEEKLY','BIWEEKLY','MONTHLY','QUARTERLY','YEARLY') NULL";

interface TableParts {
  readonly id?: string;
  readonly name?: string;
  readonly time?: string;
  readonly recurrence?: string;
  /** Columns, keys and constraints of the app's own. */
  readonly more?: string;
  readonly options?: string;
}

/** The original's table, but for the parts given. */
function tasksTable({
  id = ID,
  name = NAME,
  time = TIME,
  recurrence = RECURRENCE,
  more = "",
  options = "",
}: TableParts) {
  const parts = [id, name, time, recurrence, more].filter((part) => part !== "");
  return `CREATE TABLE tasks (${parts.join(", ")}) ${options};`;
}

const COLUMNS = "(id, name, scheduled_time, recurrence)";
const insert = (rows: string) => `INSERT INTO tasks ${COLUMNS} VALUES ${rows};`;
const ROWS = insert("(1, 'café', '2124-01-31 10:00:00', 'DAILY'), (7, 'b', '2024-05-01 10:00:00', NULL)");
const KEPT = [
  { id: 1, name: "café", time: "2124-01-31 10:00:00.000", recurrence: "DAILY", state: "ACTIVE" },
  { id: 7, name: "b", time: "2024-05-01 10:00:00.000", recurrence: null, state: "COMPLETED" },
];

let schemas: SchemaFixture;

beforeAll(async () => {
  schemas = await createSchemaFixture();
});
afterAll(async () => {
  await killAll();
  await schemas?.stop();
});

const definition = (): Promise<{ name: string }[]> =>
  schemas.connection.query(
    `SELECT COLUMN_NAME AS name, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, CHARACTER_SET_NAME, COLLATION_NAME
       FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'tasks' ORDER BY COLUMN_NAME`,
  );

describe("a table of the original system is adopted with every row, when it has", () => {
  /** The steps that convert the table; the others only add. */
  let release: OtherRelease;
  let ours: { name: string }[];

  beforeAll(async () => {
    release = await createRelease(2);
    await migrate(await schemas.create(""), release.folder, "up");
    ours = await definition();
  });
  afterAll(() => release?.remove());

  const adopted: [what: string, statements: string, expected?: typeof KEPT][] = [
    ["its own shape", tasksTable({}) + ROWS],
    [
      "the indexes of SQLAlchemy",
      tasksTable({ name: "name VARCHAR(255)", more: "KEY ix_tasks_id (id), UNIQUE KEY ix_tasks_name (name)" }) + ROWS,
    ],
    [
      "a table of alembic beside it",
      `${tasksTable({})} CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY); ${ROWS}`,
    ],
    [
      "columns of the app's own",
      tasksTable({
        more: "owner VARCHAR(50) NULL, priority INT NOT NULL DEFAULT 3, meta JSON NULL, kind ENUM('a','b') NOT NULL, twice INT AS (id * 2) VIRTUAL, UNIQUE KEY app_owner (owner)",
      }) + ROWS,
    ],
    [
      "foreign keys from and to other tables",
      `CREATE TABLE users (id INT PRIMARY KEY) ENGINE=InnoDB; ${tasksTable({ more: "user_id INT NULL, FOREIGN KEY (user_id) REFERENCES users (id)", options: "ENGINE=InnoDB" })} CREATE TABLE notes (task_id INT, FOREIGN KEY (task_id) REFERENCES tasks (id)) ENGINE=InnoDB; ${ROWS} INSERT INTO notes VALUES (7);`,
    ],
    ["BIGINT ids", tasksTable({ id: "id BIGINT AUTO_INCREMENT PRIMARY KEY" }) + ROWS],
    ["BIGINT UNSIGNED ids", tasksTable({ id: "id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY" }) + ROWS],
    ["INT UNSIGNED ids", tasksTable({ id: "id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY" }) + ROWS],
    ["ids without AUTO_INCREMENT", tasksTable({ id: "id INT PRIMARY KEY" }) + ROWS],
    [
      "lower-case enum values",
      tasksTable({ recurrence: "recurrence ENUM('once','daily','weekly') NULL" }) +
        insert("(1, 'café', '2124-01-31 10:00:00', 'daily'), (7, 'b', '2024-05-01 10:00:00', NULL)"),
    ],
    ["VARCHAR in place of ENUM", tasksTable({ recurrence: "recurrence VARCHAR(9) NULL" }) + ROWS],
    [
      "lower-case text in place of ENUM",
      tasksTable({ recurrence: "recurrence TEXT NULL" }) +
        insert("(1, 'café', '2124-01-31 10:00:00', 'Daily '), (7, 'b', '2024-05-01 10:00:00', NULL)"),
    ],
    [
      "an enum with further values that no row has",
      tasksTable({ recurrence: "recurrence ENUM('DAILY','HOURLY') NULL DEFAULT 'HOURLY'" }) + ROWS,
    ],
    [
      "a CHECK in place of ENUM",
      tasksTable({
        recurrence: "recurrence VARCHAR(9) NULL",
        more: "CONSTRAINT recurrence CHECK (recurrence IN ('ONCE','DAILY','WEEKLY','BIWEEKLY','MONTHLY','QUARTERLY','YEARLY'))",
      }) + ROWS,
    ],
    ["latin1", tasksTable({ options: "CHARSET=latin1" }) + ROWS],
    ["MyISAM", tasksTable({ options: "ENGINE=MyISAM CHARSET=latin1" }) + ROWS],
    [
      "a compact row format",
      tasksTable({ name: "name VARCHAR(190) NOT NULL UNIQUE", options: "ENGINE=InnoDB ROW_FORMAT=COMPACT" }) + ROWS,
    ],
    ["names that are not unique by a key", tasksTable({ name: "name VARCHAR(255) NULL, KEY name (name)" }) + ROWS],
    ["longer names than ours by type alone", tasksTable({ name: "name VARCHAR(400) NOT NULL" }) + ROWS],
    [
      "TIMESTAMP, with a default of its own",
      tasksTable({ time: "scheduled_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP" }) +
        insert("(1, 'café', '2034-01-31 10:00:00', 'DAILY'), (7, 'b', '2024-05-01 10:00:00', NULL)"),
      [{ ...KEPT[0]!, time: "2034-01-31 10:00:00.000" }, KEPT[1]!],
    ],
    ["times that may be NULL and are not", tasksTable({ time: "scheduled_time DATETIME NULL" }) + ROWS],
    [
      "dates",
      tasksTable({ time: "scheduled_time DATE NOT NULL" }) + insert("(1, 'café', '2124-01-31', 'DAILY')"),
      [{ ...KEPT[0]!, time: "2124-01-31 00:00:00.000" }],
    ],
    [
      "microseconds, which are rounded up",
      tasksTable({ time: "scheduled_time DATETIME(6) NOT NULL" }) +
        insert("(1, 'café', '2123-12-31 23:59:59.999001', 'DAILY'), (7, 'b', '2024-05-01 10:00:00.000000', NULL)"),
      [{ ...KEPT[0]!, time: "2124-01-01 00:00:00.000" }, KEPT[1]!],
    ],
    [
      "zero dates, invalid days and updates by themselves in columns of the app's own",
      tasksTable({
        more: "created DATETIME NOT NULL DEFAULT '0000-00-00', seen DATE NULL, touched TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
      }) +
        ROWS +
        "UPDATE tasks SET seen = '2023-02-31';",
    ],
    [
      "generated columns of the app's own",
      tasksTable({
        more: "daily INT AS (recurrence = 'DAILY') STORED, short VARCHAR(9) AS (LEFT(name, 3)) VIRTUAL, KEY app_short (short), FULLTEXT KEY app_words (name)",
      }) + ROWS,
    ],
    [
      "a trigger of the app's own",
      `${tasksTable({})} CREATE TABLE audit (task_id INT); CREATE TRIGGER audited AFTER INSERT ON tasks FOR EACH ROW INSERT INTO audit VALUES (NEW.id); ${ROWS}`,
    ],
    ["a compressed row format", tasksTable({ options: "ENGINE=InnoDB ROW_FORMAT=COMPRESSED COMMENT='ours'" }) + ROWS],
    ["Aria", tasksTable({ options: "ENGINE=Aria" }) + ROWS],
    ["another character set", tasksTable({ options: "CHARSET=cp1250" }) + ROWS.replace("café", "café")],
    [
      "binary collations",
      tasksTable({
        recurrence: "recurrence VARCHAR(20) COLLATE utf8mb4_bin",
        options: "CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
      }) + ROWS.replace("DAILY", "daily"),
    ],
    [
      "a view of the app's own",
      `${tasksTable({})} CREATE VIEW due AS SELECT id, name FROM tasks WHERE recurrence = 'DAILY'; ${ROWS}`,
    ],
    [
      "column names in capitals",
      "CREATE TABLE tasks (ID INT AUTO_INCREMENT PRIMARY KEY, Name VARCHAR(255) UNIQUE, Scheduled_Time DATETIME NOT NULL, RECURRENCE VARCHAR(9));" +
        ROWS,
    ],
  ];

  it.each(adopted)("%s", async (_, statements, expected = KEPT) => {
    const url = await schemas.create(statements);
    const appColumns = async () =>
      (await definition()).filter(({ name }) => !ours.some((column) => column.name === name.toLowerCase()));
    const own = await appColumns();
    // Every update sets `touched`, by the app's own rule.
    const kept = own.map(({ name }) => name).filter((name) => name !== "touched");
    const values = async () => [
      ...(await schemas.connection.query(`SELECT ${["id", ...kept].join(", ")} FROM tasks ORDER BY 1`)),
    ];
    const ownValues = await values();
    const before = await takeSnapshot(schemas.connection);
    expect(await migrate(url, release.folder, "up")).toHaveLength(2);
    const rows = await schemas.connection.query(
      "SELECT id, name, scheduled_time AS time, recurrence, state FROM tasks ORDER BY id",
    );
    expect([...rows]).toEqual(expected);
    expect((await definition()).filter(({ name }) => ours.some((column) => column.name === name))).toEqual(ours);
    expect(await appColumns()).toEqual(own);
    expect(await values()).toEqual(ownValues);
    const after = await takeSnapshot(schemas.connection);
    for (const [name, content] of Object.entries(before))
      if (!name.endsWith(" tasks")) expect(after[name]).toEqual(content);
    // The name is unique byte for byte, and ids go on.
    const more = "INSERT INTO tasks (name, scheduled_time) VALUES ('CAFÉ', NOW(3)), ('café ', NOW(3))";
    await schemas.connection.query(`SET NAMES utf8mb4; SET sql_mode = 'STRICT_ALL_TABLES'; ${more}`);
    await expect(schemas.connection.query(more)).rejects.toMatchObject({ errno: 1062 });
    await schemas.connection.query("SET sql_mode = 'ALLOW_INVALID_DATES'");
  });

  it("every odd shape at once, and the API works on it", async () => {
    const url = await schemas.create(
      `${tasksTable({
        id: "id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY",
        name: "name VARCHAR(100) NULL",
        time: "scheduled_time TIMESTAMP(6) NULL",
        recurrence: "recurrence VARCHAR(20) DEFAULT 'once'",
        more: "owner VARCHAR(50) NULL, KEY ix_tasks_id (id), UNIQUE KEY ix_tasks_name (name)",
        options: "ENGINE=MyISAM CHARSET=latin1",
      })} CREATE TABLE alembic_version (version_num VARCHAR(32));
      INSERT INTO tasks VALUES (3, 'é', '2034-01-31 10:00:00.5', 'weekly', 'me');`,
    );
    const api = await startApi({ databaseUrl: url });
    await api.ready();
    const client = createTaskClient(api.grpcAddress);
    const timeMs = Date.parse("2034-01-31T10:00:00.500Z");
    expect(await client.list()).toMatchObject([{ id: 3, name: "é", scheduledTimeMs: timeMs, nextRunTimeMs: timeMs }]);
    const { id } = await client.create({ name: "É", scheduledTimeMs: timeMs });
    await expect(client.create({ name: "é", scheduledTimeMs: timeMs })).rejects.toMatchObject({ code: 6 });
    await client.remove(3);
    expect((await client.list()).map((task) => task.id)).toEqual([id]);
    client.close();
    expect(await api.stop()).toBe(0);
  });
});

describe("a table of the original system is refused and stays as it is, when it has", () => {
  const outside = "`tasks`.`id` is outside 1 to 2147483647 in";
  const badName = "`tasks`.`name` is NULL or longer than 255 characters in";
  const noTime = "`tasks`.`scheduled_time` is NULL, a zero date or no day of the calendar in";
  const noRecurrence = "`tasks`.`recurrence` is no recurrence of the original system in";
  const refusesTasks = (key: string) => `unique key \`${key}\` of \`tasks\` would refuse tasks whose names differ`;
  const holds = (key: string, table: string, column: string) =>
    `foreign key \`${key}\` of \`${table}\` holds \`tasks\`.\`${column}\`, whose type must change`;

  const refused: [what: string, statements: string, ...faults: string[]][] = [
    [
      "ids beyond INT",
      tasksTable({ id: "id BIGINT PRIMARY KEY" }) +
        insert("(1, 'a', NOW(), NULL), (5000000000, 'b', NOW(), NULL), (5000000001, 'c', NOW(), NULL)"),
      `${outside} 2 rows (the first id is 5000000000)`,
    ],
    [
      "the largest unsigned id",
      tasksTable({ id: "id BIGINT UNSIGNED PRIMARY KEY" }) + insert("(18446744073709551615, 'a', NOW(), NULL)"),
      `${outside} 1 row (the first id is 18446744073709551615)`,
    ],
    ["a negative id", tasksTable({}) + insert("(-1, 'a', NOW(), NULL)"), `${outside} 1 row (the first id is -1)`],
    [
      "a next id beyond INT",
      tasksTable({ id: "id BIGINT AUTO_INCREMENT PRIMARY KEY", options: "AUTO_INCREMENT = 3000000000" }),
      "the next id of `tasks` is 3000000000, beyond 2147483647",
    ],
    ["UUIDs", tasksTable({ id: "id CHAR(36) PRIMARY KEY" }) + ROWS, "`tasks`.`id` is of the type char(36)"],
    [
      "a primary key of two columns",
      tasksTable({ id: "id INT", more: "PRIMARY KEY (id, name)" }) + ROWS,
      "the primary key of `tasks` is not `id`",
    ],
    [
      "BIGINT ids that a foreign key refers to",
      `${tasksTable({ id: "id BIGINT PRIMARY KEY", options: "ENGINE=InnoDB" })} CREATE TABLE notes (task_id BIGINT, CONSTRAINT notes_task FOREIGN KEY (task_id) REFERENCES tasks (id)) ENGINE=InnoDB;`,
      holds("notes_task", "notes", "id"),
    ],
    [
      "a name that a foreign key refers to",
      `${tasksTable({ options: "ENGINE=InnoDB CHARSET=latin1" })} CREATE TABLE notes (task VARCHAR(255), CONSTRAINT notes_task FOREIGN KEY (task) REFERENCES tasks (name)) ENGINE=InnoDB CHARSET=latin1;`,
      holds("notes_task", "notes", "name"),
    ],
    [
      "names without a value",
      tasksTable({ name: "name VARCHAR(255) NULL" }) + insert("(4, NULL, NOW(), NULL), (2, NULL, NOW(), NULL)"),
      `${badName} 2 rows (the first id is 2)`,
    ],
    [
      "long names",
      tasksTable({ name: "name TEXT" }) +
        insert("(3, REPEAT('é', 256), NOW(), NULL), (2, REPEAT('é', 255), NOW(), NULL)"),
      `${badName} 1 row (the first id is 3)`,
    ],
    [
      "names twice",
      tasksTable({ name: "name VARCHAR(255) COLLATE utf8mb4_bin" }) +
        insert("(1, 'a', NOW(), NULL), (2, 'A', NOW(), NULL), (3, 'a', NOW(), NULL), (4, 'a', NOW(), NULL)"),
      "`tasks`.`name` repeats an earlier task's in 2 rows (the first id is 3)",
    ],
    [
      "names of a binary type",
      tasksTable({ name: "name VARBINARY(255)" }),
      "`tasks`.`name` is of the type varbinary(255)",
    ],
    [
      "zero dates and days that are none",
      tasksTable({}) +
        insert(
          "(1, 'a', NOW(), NULL), (5, 'b', '0000-00-00', 'DAILY'), (6, 'c', '2024-00-10', NULL), (7, 'd', '2024-01-00', NULL), (8, 'e', '2023-02-31', NULL)",
        ),
      `${noTime} 4 rows (the first id is 5)`,
    ],
    [
      "times without a value",
      tasksTable({ time: "scheduled_time DATETIME NULL" }) + insert("(5, 'b', NULL, 'DAILY')"),
      `${noTime} 1 row (the first id is 5)`,
    ],
    [
      "times as text",
      tasksTable({ time: "scheduled_time VARCHAR(30)" }),
      "`tasks`.`scheduled_time` is of the type varchar(30)",
    ],
    [
      "other recurrences",
      tasksTable({ recurrence: "recurrence VARCHAR(20) NULL" }) +
        insert(
          "(1, 'a', NOW(), 'once'), (2, 'b', NOW(), 'hourly'), (3, 'c', NOW(), ''), (4, 'd', NOW(), '1'), (5, 'e', NOW(), 'dàily')",
        ),
      `${noRecurrence} 4 rows (the first id is 2)`,
    ],
    [
      "an invalid enum value",
      tasksTable({}) + insert("(9, 'a', NOW(), 'hourly')"),
      `${noRecurrence} 1 row (the first id is 9)`,
    ],
    [
      "recurrences as numbers",
      tasksTable({ recurrence: "recurrence INT" }),
      "`tasks`.`recurrence` is of the type int(11)",
    ],
    [
      "a CHECK of lower-case values",
      tasksTable({
        recurrence: "recurrence VARCHAR(9) NULL",
        more: "CONSTRAINT kinds CHECK (recurrence IN ('once', 'daily'))",
      }),
      "constraint `kinds` of `tasks` forbids a recurrence that TaskScheduler writes",
    ],
    [
      "a CHECK of two columns",
      tasksTable({ more: "owner INT, CONSTRAINT owned CHECK (recurrence IS NULL OR owner > 0)" }),
      "constraint `owned` of `tasks` forbids a recurrence that TaskScheduler writes",
    ],
    [
      "a column that wants a value",
      tasksTable({ more: "owner INT NOT NULL" }),
      "`tasks`.`owner` takes no NULL and has no default, so that TaskScheduler could create no task",
    ],
    ["a unique time", tasksTable({ more: "UNIQUE KEY times (scheduled_time)" }), refusesTasks("times")],
    [
      "a unique column with a default",
      tasksTable({ more: "slug VARCHAR(20) NOT NULL DEFAULT '', UNIQUE KEY slugs (slug)" }),
      refusesTasks("slugs"),
    ],
    [
      "names that are unique by their beginning",
      tasksTable({ name: "name VARCHAR(255) NOT NULL, UNIQUE KEY name (name(20))" }),
      refusesTasks("name"),
    ],
    [
      "an index of a part of the recurrence",
      tasksTable({ recurrence: "recurrence VARCHAR(20), KEY kinds (recurrence(3))" }),
      "key `kinds` of `tasks` holds a prefix of `recurrence`, which becomes an ENUM",
    ],
    [
      "partitions",
      tasksTable({ name: "name VARCHAR(255)", options: "PARTITION BY HASH (id) PARTITIONS 2" }),
      "table `tasks` is partitioned",
    ],
    ["system versioning", tasksTable({ options: "WITH SYSTEM VERSIONING" }), "table `tasks` has system versioning"],
    [
      "several faults",
      tasksTable({ id: "id BIGINT PRIMARY KEY", more: "owner INT NOT NULL DEFAULT 0, state INT" }) +
        insert("(0, 'a', 0, '')"),
      `${outside} 1 row (the first id is 0)`,
      `${noTime} 1 row (the first id is 0)`,
      `${noRecurrence} 1 row (the first id is 0)`,
      "column `tasks`.`state` is not recorded as TaskScheduler's",
    ],
  ];

  it.each(refused)("%s", async (_, statements, ...faults) => {
    const url = await schemas.create(statements);
    const before = await takeSnapshot(schemas.connection);
    const refusal = await migrate(url, FOLDER, "up").catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(SchemaRefusedError);
    expect((refusal as SchemaRefusedError).faults.map(({ fault }) => fault).sort()).toEqual([...faults].sort());
    expect(await takeSnapshot(schemas.connection)).toEqual(before);
  });

  it("a remedy for each fault", async () => {
    const url = await schemas.create(tasksTable({}) + insert("(5, 'a', 0, NULL), (6, 'b', NOW(), '')"));
    await expect(migrate(url, FOLDER, "up")).rejects.toThrow(
      `${noTime} 1 row (the first id is 5); ${noRecurrence} 1 row (the first id is 6). ` +
        "Set `scheduled_time` of these tasks to a date and time, or delete them. " +
        "Set `recurrence` of these tasks to NULL or to one of ONCE, DAILY, WEEKLY, BIWEEKLY, MONTHLY, QUARTERLY, YEARLY.",
    );
  });
});
