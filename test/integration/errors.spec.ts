import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { type Task, TaskState } from "@taskscheduler/proto";
import { type ApiFixture, at, CLIENTS, type Fault, faultOf, startApiFixture, type UnaryName } from "./api-fixture.js";

let fixture: ApiFixture;
let task: Task;
let completed: Task;

const scheduledTime = at("2100-01-31T09:30:00Z");
const nasty = "50% of “x”: 10:30\n\t/a?b=c #1 ü 🚀 ' \" \\ `id`";

beforeAll(async () => {
  fixture = await startApiFixture();
  task = (await fixture.client.call("createTask", { task: { name: nasty, scheduledTime } })).task!;
  completed = (await fixture.client.call("createTask", { task: { name: "completed", scheduledTime } })).task!;
  await fixture.query("UPDATE tasks SET state = 'COMPLETED', next_run_time = NULL WHERE id = ?", [completed.id]);
});
afterAll(() => fixture?.stop());

type Case = readonly [string, UnaryName, () => object, Partial<Fault>];

/** One for each reason that a caller can bring about by a single call. */
const cases: readonly Case[] = [
  [
    "a field",
    "createTask",
    () => ({ task: { name: "x", scheduledTime, timeZone: nasty } }),
    { code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields: ["task.time_zone"] },
  ],
  [
    "what is required",
    "createTask",
    () => ({}),
    { code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields: ["task"] },
  ],
  [
    "a later release's field",
    "createTask",
    () => ({ task: { name: "x", scheduledTime, cron: nasty, maxRuns: 3 } }),
    { code: "INVALID_ARGUMENT", reason: "NOT_SUPPORTED_YET", fields: ["task.cron", "task.max_runs"] },
  ],
  [
    "a page token",
    "listTasks",
    () => ({ pageToken: nasty }),
    { code: "INVALID_ARGUMENT", reason: "INVALID_PAGE_TOKEN", fields: ["page_token"] },
  ],
  [
    "an order",
    "listTasks",
    () => ({ orderBy: "id; DROP TABLE tasks" }),
    { code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields: ["order_by"] },
  ],
  [
    "a label",
    "listTasks",
    () => ({ labelFilter: { 'a"b': "c" } }),
    { code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields: ["label_filter"] },
  ],
  ["a task", "getTask", () => ({ id: 2_000_000_000 }), { code: "NOT_FOUND", reason: "TASK_NOT_FOUND", fields: [] }],
  [
    "an execution",
    "getExecution",
    () => ({ id: nasty }),
    { code: "NOT_FOUND", reason: "EXECUTION_NOT_FOUND", fields: [] },
  ],
  [
    "a taken name",
    "createTask",
    () => ({ task: { name: nasty, scheduledTime } }),
    { code: "ALREADY_EXISTS", reason: "TASK_NAME_TAKEN", fields: ["task.name"] },
  ],
  [
    "an etag",
    "updateTask",
    () => ({ task: { id: task.id, description: "x", etag: nasty } }),
    { code: "ABORTED", reason: "ETAG_MISMATCH", fields: [] },
  ],
  [
    "a state",
    "pauseTask",
    () => ({ id: completed.id }),
    { code: "FAILED_PRECONDITION", reason: "TASK_COMPLETED", fields: [] },
  ],
  [
    "a request id",
    "runTask",
    () => ({ id: task.id, requestId: nasty }),
    { code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields: ["request_id"] },
  ],
  [
    "an execution to cancel",
    "cancelExecution",
    () => ({ id: "1.0" }),
    { code: "NOT_FOUND", reason: "EXECUTION_NOT_FOUND" },
  ],
  [
    "what to retry",
    "retryExecution",
    () => ({ filter: {}, id: "1.0" }),
    { code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields: ["id"] },
  ],
  [
    "a webhook",
    "createTask",
    () => ({ task: { name: "x", scheduledTime, webhook: { url: nasty, headers: { Host: "a" } }, timeout: {} } }),
    {
      ...{ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD" },
      fields: ["task.timeout", "task.webhook.headers", "task.webhook.url"],
    },
  ],
];

/** What belongs in the log, not in a message. */
const innards = /\bSELECT\b|\bINSERT\b|\bWHERE\b|\bER_|errno|Sequelize|mariadb|node_modules|\.ts\b|\.js\b|\n\s+at /i;

describe.each(cases)("%s", (_, method, request, expected) => {
  it("is told the same way to every client, without a word of SQL, a stack or a path", async () => {
    const faults: Fault[] = [];
    for (const name of CLIENTS) faults.push(await faultOf(fixture.clients[name].call(method, request())));
    for (const fault of faults) {
      expect(fault).toMatchObject({ ...expected, domain: "taskscheduler" });
      expect(fault).toEqual(faults[0]);
      expect(fault.message).not.toBe("");
      for (const text of [fault.message, ...fault.descriptions]) expect(text).not.toMatch(innards);
    }
  });
});

it("keeps a message with colons, lines and any script intact", async () => {
  for (const name of CLIENTS) {
    const { message } = await faultOf(
      fixture.clients[name].call("createTask", { task: { name: nasty, scheduledTime } }),
    );
    expect(message).toBe(`there is a task named ${JSON.stringify(nasty)} already`);
  }
});

it("says the same in plain JSON", async () => {
  const response = await fetch(`${fixture.api.httpUrl}/taskscheduler.v1.TaskService/CreateTask`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ task: { name: "", timeZone: "Mars/Olympus" } }),
  });
  expect(response.status).toBe(400);
  const body = (await response.json()) as { code: string; details: { type: string; debug?: object; value: string }[] };
  expect(body.code).toBe("invalid_argument");
  expect(body.details.map(({ type }) => type)).toEqual(["google.rpc.ErrorInfo", "google.rpc.BadRequest"]);
  expect(JSON.stringify(body.details.map(({ debug }) => debug))).toContain("task.time_zone");
});

it("names the place of a field in a list", async () => {
  const { fields } = await faultOf(fixture.client.call("listTasks", { states: [TaskState.ACTIVE, 77 as TaskState] }));
  expect(fields).toEqual(["states[1]"]);
});

const beyond = [
  ["far beyond all calendars", { seconds: 9_223_372_036_854_775_807n, nanos: 0 }],
  ["before the year 1", { seconds: -62_135_596_801n, nanos: 0 }],
  ["after the year 9999", { seconds: 253_402_300_800n, nanos: 0 }],
  ["of nanos that are none", { seconds: 0n, nanos: -5 }],
] as const;

describe.each(beyond)("a bound %s", (_, init) => {
  const time = create(TimestampSchema, init);
  it.each([
    ["listTasks", "nextRunAfter", "next_run_after"],
    ["listTasks", "nextRunBefore", "next_run_before"],
    ["listExecutions", "scheduledAfter", "scheduled_after"],
    ["listExecutions", "scheduledBefore", "scheduled_before"],
    ["previewSchedule", "after", "after"],
  ] as const)("is refused by %s as %s", async (method, key, field) => {
    const base = method === "previewSchedule" ? { scheduledTime } : {};
    for (const name of ["gRPC", "Connect, binary", "gRPC-Web"] as const) {
      const fault = await faultOf(fixture.clients[name].call(method, { ...base, [key]: time }));
      expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields: [field] });
    }
  });
});

it("has no internal error in all of this", () => {
  expect(fixture.api.output()).not.toMatch(/internal error/);
});
