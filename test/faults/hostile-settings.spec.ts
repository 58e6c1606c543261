import { createConnection } from "mariadb";
import { createConnector } from "../../packages/api/src/database/connector.js";
import { parseDatabaseUrl } from "../../packages/api/src/database/database-address.js";
import { MIGRATION_PINS, POOL_PINS, type SessionPin } from "../../packages/api/src/database/session-pins.js";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { type ApiClient, at, clientsOf, faultOf, walkPages } from "../integration/api-fixture.js";
import { type Account, createAccount, ROW_PRIVILEGES, SCHEMA_PRIVILEGES } from "../setup/database-account.js";
import { eventually } from "../setup/eventually.js";
import { migrate } from "../setup/migrator.js";
import { type ApiProcess, killAll, startApi, startScheduler } from "../setup/processes.js";
import { type Receiver, startReceiver, status } from "../setup/receiver.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";

/** A pair on a server each of whose settings is the wrong one, and which its sessions would begin with. */

const OPTIONS = [
  "--innodb-rollback-on-timeout",
  "--secure-timestamp=YES",
  "--skip-character-set-client-handshake",
  "--query-cache-type=ON",
];

const SETTINGS: Readonly<Record<string, string>> = {
  sql_mode:
    "'ORACLE,ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,NO_ZERO_DATE,ONLY_FULL_GROUP_BY,EMPTY_STRING_IS_NULL,SIMULTANEOUS_ASSIGNMENT'",
  old_mode: "'NO_DUP_KEY_WARNINGS_WITH_IGNORE,NO_PROGRESS_INFO,ZERO_DATE_TIME_CAST,COMPAT_5_1_CHECKSUM'",
  time_zone: "'-11:00'",
  autocommit: "0",
  completion_type: "'RELEASE'",
  tx_isolation: "'SERIALIZABLE'",
  tx_read_only: "1",
  sql_safe_updates: "1",
  sql_select_limit: "1",
  max_join_size: "1",
  sql_big_selects: "0",
  sql_auto_is_null: "1",
  foreign_key_checks: "0",
  unique_checks: "0",
  check_constraint_checks: "0",
  max_sort_length: "8",
  sort_buffer_size: "1024",
  query_cache_size: "1048576",
  innodb_lock_wait_timeout: "0",
  lock_wait_timeout: "0",
  idle_transaction_timeout: "1",
  idle_readonly_transaction_timeout: "1",
  idle_write_transaction_timeout: "1",
  net_read_timeout: "1",
  net_write_timeout: "1",
  wait_timeout: "1",
  max_statement_time: "0.3",
  default_storage_engine: "MyISAM",
  innodb_strict_mode: "0",
  alter_algorithm: "'INSTANT'",
  sql_if_exists: "1",
  // These settings are not pinned, because no statement relies on them.
  auto_increment_increment: "7",
  auto_increment_offset: "3",
  character_set_server: "latin1",
  collation_server: "latin1_german2_ci",
  character_set_client: "latin1",
  character_set_results: "latin1",
  collation_connection: "latin1_german2_ci",
  character_set_filesystem: "utf16",
  group_concat_max_len: "4",
  div_precision_increment: "0",
  default_week_format: "6",
  default_regex_flags: "'EXTENDED'",
  lc_time_names: "'ar_SA'",
  lc_messages: "'de_DE'",
  max_error_count: "0",
  sql_notes: "0",
  sql_quote_show_create: "0",
  max_recursive_iterations: "0",
  in_predicate_conversion_threshold: "2",
  eq_range_index_dive_limit: "1",
  join_cache_level: "0",
  optimizer_switch:
    "'index_merge=off,derived_merge=off,derived_with_keys=off,materialization=off,semijoin=off,mrr=on,mrr_sort_keys=on,index_condition_pushdown=off,extended_keys=off'",
  max_heap_table_size: "16384",
  tmp_memory_table_size: "0",
  join_buffer_size: "128",
  big_tables: "1",
  low_priority_updates: "1",
  explicit_defaults_for_timestamp: "0",
  innodb_snapshot_isolation: "1",
  innodb_deadlock_detect: "0",
  innodb_file_per_table: "0",
  standard_compliant_cte: "0",
  session_track_system_variables: "''",
  session_track_schema: "0",
  system_versioning_asof: "'2001-01-01'",
  // Not run for the administrator who sets all this.
  init_connect: "'SET autocommit = 0, sql_safe_updates = 1, sql_select_limit = 1'",
};

const FAR = at("2100-01-01T00:00:00Z");

let server: PrivateServer;
let account: Account;
let api: ApiProcess;
let clients: ReturnType<typeof clientsOf>;
let client: ApiClient;
let tasks: TaskClient;
let receiver: Receiver;

beforeAll(async () => {
  server = await startPrivateServer({ extraArgs: OPTIONS });
  account = await createAccount(server.url, `${ROW_PRIVILEGES}, ${SCHEMA_PRIVILEGES}`);
  const administrator = await createConnection(server.url);
  for (const [name, value] of Object.entries(SETTINGS)) await administrator.query(`SET GLOBAL ${name} = ${value}`);
  await administrator.end();
  receiver = await startReceiver();
  api = await startApi({ databaseUrl: account.url });
  await api.ready();
  const env = { TARGET_ALLOW_CIDRS: "127.0.0.0/8" };
  const scheduler = await startScheduler({ apiAddress: api.grpcAddress, env });
  await scheduler.ready();
  clients = clientsOf(api);
  client = clients.gRPC;
  tasks = createTaskClient(api.grpcAddress);
});
afterAll(async () => {
  tasks?.close();
  clients?.close();
  await killAll();
  await receiver?.close();
  await server?.stop();
});

/** As the API connects. */
const connect = (pins: readonly SessionPin[]) => createConnector(parseDatabaseUrl(account.url).address)(pins, {});

it.each([
  ["the pool", POOL_PINS],
  ["the migration", MIGRATION_PINS],
])("every setting that our statements rely on is right on a connection of %s", async (_, pins) => {
  const connection = await connect(pins);
  const rows: { name: string; value: string }[] = await connection.query(
    "SELECT LOWER(VARIABLE_NAME) AS name, SESSION_VALUE AS value FROM information_schema.SYSTEM_VARIABLES",
  );
  await connection.end();
  const found = new Map(rows.map(({ name, value }) => [name, value]));
  const isOn = (value: unknown) => (value === 1 ? "ON" : value === 0 ? "OFF" : undefined);
  for (const [name, value] of pins) {
    const is = found.get(name);
    if (is === undefined) continue;
    const expected = name === "sql_mode" ? value.toString().split(",").sort().join(",") : value.toString();
    const actual = name === "sql_mode" ? is.split(",").sort().join(",") : is.replace(/\.0+$/, "");
    expect([name, [isOn(value), expected]]).toEqual([name, expect.arrayContaining([actual])]);
  }
  expect(found.get("tx_isolation")).toBe("READ-COMMITTED");
  expect(found.get("tx_read_only")).toBe("OFF");
  expect(found.get("collation_connection")).toBe("utf8mb4_nopad_bin");
  expect(found.get("character_set_client")).toBe("utf8mb4");
  expect(found.get("character_set_results")).toBe("utf8mb4");
  // More names than sql_select_limit allows: the limit is off.
  expect(rows.length).toBeGreaterThan(100);
});

it("tasks are created, listed, changed and deleted", async () => {
  const watch = client.watch("watchTasks");
  await watch.until("the snapshot", (events) => events.at(-1)?.event.case === "snapshotComplete");
  // Alike in their first bytes, and told apart byte for byte.
  const prefix = "a name longer than what a sort would look at: größe \\ \" ' 🕰 ".repeat(2);
  const names = Array.from({ length: 30 }, (_, n) => `${prefix}${String(n).padStart(2, "0")}`);
  await tasks.createAll(names.toReversed().map((name) => ({ name, scheduledTimeMs: Date.UTC(2100, 0, 1) })));
  for (const name of ["Case", "case", "case "]) {
    await client.call("createTask", { task: { name, scheduledTime: FAR, labels: { team: "ops" }, description: "" } });
  }
  expect(await faultOf(client.call("createTask", { task: { name: "case", scheduledTime: FAR } }))).toMatchObject({
    reason: "TASK_NAME_TAKEN",
  });

  const listed = await walkPages(async (pageToken) => {
    const page = await client.call("listTasks", { pageSize: 7, pageToken, orderBy: "name", nameContains: prefix });
    return { items: page.tasks.map(({ name }) => name), nextPageToken: page.nextPageToken };
  });
  expect(listed).toEqual(names);
  const labelled = await client.call("listTasks", { labelFilter: { team: "ops" }, countTotal: true });
  expect([labelled.tasks.map(({ name }) => name), labelled.totalSize]).toEqual([["Case", "case", "case "], 3]);

  const [task] = labelled.tasks;
  const { task: changed } = await client.call("updateTask", {
    task: { ...task!, description: 'it\'s \\ "changed"', scheduledTime: at("2099-12-31T23:59:59.999Z") },
  });
  expect((await client.call("getTask", { id: task!.id })).task).toMatchObject({
    description: 'it\'s \\ "changed"',
    etag: changed!.etag,
    nextRunTime: at("2099-12-31T23:59:59.999Z"),
  });
  await client.call("deleteTask", { id: task!.id });
  await watch.until("the deletion", (events) =>
    events.some(({ event }) => event.case === "deleted" && event.value.id === task!.id),
  );
  expect(watch.events.filter(({ event }) => event.case === "upserted")).toHaveLength(34);
  watch.cancel();
  const connection = await connect(POOL_PINS);
  expect(await connection.query("SELECT * FROM task_labels WHERE task_id = ?", [task!.id])).toEqual([]);
  await connection.end();
});

it("tasks are claimed, run, tried again and reported, and streams tell of it", async () => {
  const watch = client.watch("watchExecutions");
  receiver.answer("/flaky", (response, request) => {
    status(receiver.requestsOf("/flaky").length > 1 ? 200 : 500)(response, request);
  });
  const soon = Date.now() + 2_500;
  const reminders = await tasks.createAll(
    Array.from({ length: 20 }, (_, n) => ({ name: `soon ${n}`, scheduledTimeMs: soon })),
  );
  const daily = await tasks.create({ name: "daily", scheduledTimeMs: soon, recurrence: "DAILY" });
  const { task: flaky } = await client.call("createTask", {
    task: {
      name: "flaky",
      scheduledTime: at(new Date(soon).toISOString()),
      webhook: { url: `${receiver.url}/flaky` },
      retryPolicy: { initialBackoff: { seconds: 1n } },
    },
  });
  const all = [...reminders.map(({ id }) => id), daily.id, flaky!.id];
  await eventually("all have run", async () => {
    const runs = await tasks.runs();
    return all.every((id) => runs.some(({ taskId, state }) => taskId === id && state === "SUCCEEDED"));
  });
  expect(receiver.requestsOf("/flaky")).toHaveLength(2);
  expect(await tasks.get(daily.id)).toMatchObject({ runCount: 1, nextRunTimeMs: soon + 86_400_000 });
  expect(await tasks.get(all[0]!)).toMatchObject({ state: "COMPLETED", runCount: 1 });
  await watch.until("the stream tells of all of them", (events) =>
    all.every((id) =>
      events.some(({ event }) => event.case === "upserted" && "taskId" in event.value && event.value.taskId === id),
    ),
  );
  watch.cancel();
  const { counts } = await client.call("summarizeExecutions", { taskId: daily.id });
  expect(counts).toMatchObject([{ count: 1n }]);
  expect((await fetch(`${api.httpUrl}/readyz`)).status).toBe(200);
});

it("the schema is undone and taken anew by the command", async () => {
  expect(await migrate(account.url, "down")).toMatch(/^down 0/);
  expect(await migrate(account.url)).toMatch(/^up 0/);
  expect(await migrate(account.url)).toBe("nothing to do\n");
});
