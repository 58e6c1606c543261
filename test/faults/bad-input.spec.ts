import { randomUUID } from "node:crypto";
import { gzipSync } from "node:zlib";
import { create, fromBinary } from "@bufbuild/protobuf";
import { anyUnpack, TimestampSchema } from "@bufbuild/protobuf/wkt";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  type ExecutionState,
  Recurrence,
  Code as RpcCode,
  SchedulerService,
  StatusSchema,
  type TaskState,
} from "@taskscheduler/proto";
import {
  type ApiFixture,
  at,
  CLIENTS,
  type Fault,
  faultOf,
  startApiFixture,
  textOf,
} from "../integration/api-fixture.js";
import { grpcClient } from "../setup/clients.js";
import { envelope } from "./raw-http.js";

/** Texts, numbers, times and tokens that are wrong or odd: each is refused by its field's name, or kept byte for byte. */

let fixture: ApiFixture;
beforeAll(async () => {
  fixture = await startApiFixture();
});
afterAll(() => fixture?.stop());

const scheduledTime = at("2100-01-31T09:30:00Z");
const BINARY = ["gRPC", "Connect, binary", "gRPC-Web"] as const;
/** Room for a busy machine. */
const WITHIN_MS = 10_000;

interface JsonAnswer {
  readonly status: number;
  readonly body: { code?: string; message?: string; details?: { debug?: { reason?: string } }[]; task?: object };
}

async function callJson(method: string, body: string | Uint8Array): Promise<JsonAnswer> {
  const response = await fetch(`${fixture.api.httpUrl}/taskscheduler.v1.TaskService/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", connection: "close" },
    body: typeof body === "string" ? new TextEncoder().encode(body) : new Uint8Array(body),
    signal: AbortSignal.timeout(WITHIN_MS),
  });
  return { status: response.status, body: (await response.json()) as JsonAnswer["body"] };
}

interface ConnectJson {
  readonly code: string;
  readonly message: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

function jsonFault(body: unknown): Pick<Fault, "code" | "reason" | "fields" | "message"> {
  const { code, message, details = [] } = body as ConnectJson;
  const bytes = (type: string) => Buffer.from(details.find((detail) => detail.type === type)?.value ?? "", "base64");
  return {
    code: code.toUpperCase(),
    message,
    reason: fromBinary(ErrorInfoSchema, bytes("google.rpc.ErrorInfo")).reason,
    fields: fromBinary(BadRequestSchema, bytes("google.rpc.BadRequest")).fieldViolations.map(({ field }) => field),
  };
}

function trailerFault(text: string): ReturnType<typeof jsonFault> {
  const status = Buffer.from(/grpc-status-details-bin: (\S+)/.exec(text)?.[1] ?? "", "base64");
  const { code, message, details } = fromBinary(StatusSchema, status);
  const [info] = details.flatMap((detail) => anyUnpack(detail, ErrorInfoSchema) ?? []);
  const [bad] = details.flatMap((detail) => anyUnpack(detail, BadRequestSchema) ?? []);
  const fields = bad?.fieldViolations.map(({ field }) => field) ?? [];
  return { code: RpcCode[code] ?? "", message, reason: info?.reason ?? "", fields };
}

const reasonOf = ({ body }: JsonAnswer): string | undefined => body.details?.[0]?.debug?.reason;
const taskJson = (fields: string): string => `{"task":{${fields}}}`;
const timeJson = '"scheduledTime":"2100-01-01T00:00:00Z"';

afterEach(async () => {
  expect((await callJson("ListTasks", "{}")).status).toBe(200);
});

const levels = 100_000;
const deepArray = `${"[".repeat(levels)}${"]".repeat(levels)}`;

/** What is wrong, and the field that the error names; none where there is none. */
const malformed: [string, string, string, RegExp, string][] = [
  ["that breaks off", "CreateTask", '{"task":{"na', /JSON/, ""],
  ["of 100,000 arrays", "CreateTask", deepArray, /CreateTaskRequest/, ""],
  ["of 100,000 arrays within a field", "CreateTask", taskJson(`"labels":${deepArray}`), /must be/, "task.labels"],
  [
    "of 100,000 objects",
    "CreateTask",
    `${'{"task":'.repeat(levels)}1${"}".repeat(levels)}`,
    /is not a field of Task$/,
    "task.task",
  ],
  ["with a key twice", "CreateTask", taskJson(`"name":"a","name":"b",${timeJson}`), /twice/, "task.name"],
  [
    "with a label twice",
    "CreateTask",
    taskJson(`"name":"a","labels":{"k":"1","k":"2"},${timeJson}`),
    /twice/,
    "task.labels",
  ],
  [
    "with a field under both names",
    "CreateTask",
    taskJson(`"scheduled_time":"2100-01-01T00:00:00Z",${timeJson}`),
    /both/,
    "task.scheduled_time",
  ],
  ["with half a surrogate pair", "CreateTask", taskJson(`"name":"\\ud800",${timeJson}`), /surrogate/, "task.name"],
  ["with half a pair in a label", "CreateTask", taskJson(`"labels":{"k":"\\udc00"}`), /surrogate/, "task.labels"],
  ["with __proto__ for a field", "GetTask", '{"__proto__":{"id":1},"id":1}', /not a field/, "__proto__"],
  [
    "with an unknown enum's name",
    "CreateTask",
    taskJson(`"recurrence":"HOURLY",${timeJson}`),
    /one of RECURRENCE_ONCE, RECURRENCE_DAILY/,
    "task.recurrence",
  ],
  [
    "with an unknown state",
    "ListExecutions",
    '{"states":["EXECUTION_STATE_SUCCEEDED","DONE"]}',
    /EXECUTION_STATE_PENDING.*EXECUTION_STATE_SKIPPED$/,
    "states[1]",
  ],
  [
    "with an enum beyond 32 bits",
    "CreateTask",
    taskJson(`"recurrence":1099511627776,${timeJson}`),
    /RECURRENCE_YEARLY/,
    "task.recurrence",
  ],
  ...["-1", "4294967296", "1.5", "1e400", '"1.5"', '"NaN"', '"Infinity"', '""', '" 1"', "true", "[]"].map(
    (id): [string, string, string, RegExp, string] => [
      `with ${id} for an id`,
      "GetTask",
      `{"id":${id}}`,
      /whole number from 0 to 4294967295/,
      "id",
    ],
  ),
  ["with NaN for an id", "GetTask", '{"id":NaN}', /JSON/, ""],
  ...["0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2100-13-01T00:00:00Z", "2100-01-01", "tomorrow"].map(
    (time): [string, string, string, RegExp, string] => [
      `with the time ${time}`,
      "CreateTask",
      taskJson(`"name":"a","scheduledTime":"${time}"`),
      /RFC 3339/,
      "task.scheduled_time",
    ],
  ),
  ...["2030-02-30T00:00:00Z", "2030-01-01T24:00:00Z"].map((time): (typeof malformed)[number] => [
    `with the time ${time}, which is none`,
    "CreateTask",
    `{"task":{"name":"impossible","scheduledTime":"${time}"}}`,
    /RFC 3339/,
    "task.scheduled_time",
  ]),
  ["with a duration of minutes", "CreateTask", taskJson('"jitter":"5m"'), /3\.5s/, "task.jitter"],
  ["with a field that is not there", "CreateTask", taskJson('"nmae":"a"'), /not a field of Task/, "task.nmae"],
  [
    "with a mask in the proto's names",
    "UpdateTask",
    '{"task":{"id":1},"updateMask":"time_zone"}',
    /lowerCamelCase/,
    "update_mask",
  ],
  [
    "with a wrong task among right ones",
    "BatchCreateTasks",
    '{"tasks":[{"name":"a"},{"name":2}]}',
    /string/,
    "tasks[1].name",
  ],
];
const took: number[] = [];
/** Of all that is malformed. The slowest says more of the machine than of the API: each has `WITHIN_MS`. */
const TYPICAL_MS = 100;
/** As Connect sends it by POST, plain and compressed, and gRPC-Web and streams do, in envelopes. */
const jsonForms: [string, (body: string | Buffer) => [Record<string, string>, Buffer]][] = [
  ["Connect", (body) => [{ "content-type": "application/json" }, Buffer.from(body as string)]],
  ["Connect, gzipped", (body) => [{ "content-type": "application/json", "content-encoding": "gzip" }, gzipSync(body)]],
  ["gRPC-Web", (body) => [{ "content-type": "application/grpc-web+json" }, envelope(body)]],
  [
    "gRPC-Web, gzipped",
    (body) => [{ "content-type": "application/grpc-web+json", "grpc-encoding": "gzip" }, envelope(gzipSync(body), 1)],
  ],
];

describe.each(jsonForms)("JSON over %s", (form, write) => {
  const call = async (method: string, body: string | Buffer): Promise<Omit<Fault, "domain" | "descriptions">> => {
    const [headers, bytes] = write(body);
    const startMs = performance.now();
    const service = method.includes("Execution") ? "ExecutionService" : "TaskService";
    const response = await fetch(`${fixture.api.httpUrl}/taskscheduler.v1.${service}/${method}`, {
      method: "POST",
      headers: { ...headers, connection: "close" },
      body: new Uint8Array(bytes),
      signal: AbortSignal.timeout(WITHIN_MS),
    });
    const text = await response.text();
    took.push(performance.now() - startMs);
    return form.startsWith("gRPC-Web") ? trailerFault(text) : jsonFault(JSON.parse(text));
  };

  it.each(malformed)("%s is refused in words, by its field", async (_, method, body, words, field) => {
    const fault = await call(method, body);
    expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "MALFORMED_REQUEST" });
    expect([fault.fields, fault.message]).toEqual([field === "" ? [] : [field], expect.stringMatching(words)]);
    expect(fault.message.length).toBeLessThanOrEqual(1_000);
  });

  it("that is not UTF-8 is refused, not stored as other characters", async () => {
    const bytes = [Buffer.from('{"task":{"name":"'), Buffer.from([0xff, 0xc0]), Buffer.from(`",${timeJson}}}`)];
    const fault = await call("CreateTask", Buffer.concat(bytes));
    expect(fault).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "MALFORMED_REQUEST",
      message: "the request is not UTF-8",
    });
    expect(await fixture.query("SELECT id FROM tasks WHERE name LIKE '%\ufffd%'")).toEqual([]);
  });
});

describe("JSON", () => {
  it("of a stream's request is refused by its field", async () => {
    const response = await fetch(`${fixture.api.httpUrl}/taskscheduler.v1.TaskService/WatchTasks`, {
      method: "POST",
      headers: { "content-type": "application/connect+json", connection: "close" },
      body: new Uint8Array(envelope('{"labelFilter":{"k":[]}}')),
      signal: AbortSignal.timeout(WITHIN_MS),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const { error } = JSON.parse(bytes.subarray(5).toString()) as { error: ConnectJson };
    expect(jsonFault(error)).toMatchObject({ reason: "MALFORMED_REQUEST", fields: ["label_filter"] });
  });

  it.each([
    ["plain", "message=%7B%22id%22%3A-1%7D"],
    ["base64", `base64=1&message=${Buffer.from('{"id":-1}').toString("base64url")}`],
    ["gzipped", `base64=1&compression=gzip&message=${gzipSync('{"id":-1}').toString("base64url")}`],
  ])("in a query, %s, is refused by its field", async (_, query) => {
    const url = `${fixture.api.httpUrl}/taskscheduler.v1.TaskService/GetTask?connect=v1&encoding=json&${query}`;
    const response = await fetch(url, { headers: { connection: "close" } });
    expect(jsonFault(await response.json())).toMatchObject({ reason: "MALFORMED_REQUEST", fields: ["id"] });
  });

  it.each(["2147483648", "4294967295", '"4294967295"', "4294967295.0", "1e9"])(
    "with the id %s finds no task",
    async (id) => {
      expect(reasonOf(await callJson("GetTask", `{"id":${id}}`))).toBe("TASK_NOT_FOUND");
    },
  );
});

describe("a text", () => {
  const injection = `'; DROP TABLE tasks; -- " \\ \` %_ {{x}} $(x) <script>`;
  it.each([
    ["NUL", "a\0b"],
    ["control characters", "\x01\x08\t\r\n\x1a\x1b\x7f\u0085"],
    ["emoji", "👩‍👩‍👧‍👦🏳️‍🌈é"],
    ["right-to-left marks", "\u202eabc\u202d\u200f"],
    ["no width", "\u200b\ufeff\u00ad"],
    ["spaces at the ends", "  a  "],
    ["a space only", " "],
    ["SQL", injection],
    ["the longest allowed", "🚀".repeat(255)],
    ["U+FFFD", "\ufffd\uffff\u{10ffff}"],
  ])("of %s is kept byte for byte through every client", async (_, text) => {
    for (const client of CLIENTS) {
      const { call } = fixture.clients[client];
      const labels = { k: text };
      const { task } = await call("createTask", { task: { name: text, description: text, labels, scheduledTime } });
      for (const other of CLIENTS) {
        const read = (await fixture.clients[other].call("getTask", { id: task!.id })).task;
        expect(read).toMatchObject({ name: text, description: text, labels });
      }
      const found = await call("listTasks", { nameContains: text, labelFilter: labels });
      expect(found.tasks.map(({ id }) => id)).toEqual([task!.id]);
      const { reason } = await faultOf(call("createTask", { task: { name: text, scheduledTime } }));
      expect(reason).toBe("TASK_NAME_TAKEN");
      const paused = await call("pauseTask", { id: task!.id, reason: text });
      expect(paused.task?.pauseReason).toBe(text);
      await call("deleteTask", { id: task!.id });
    }
  });

  it("differs from another by case, accents, spaces at its end and its form", async () => {
    const names = ["name", "NAME", "name ", "nâme", "na\u0302me", "name\0", "ｎame"];
    for (const name of names) await fixture.client.call("createTask", { task: { name, scheduledTime } });
    const rows = await fixture.query("SELECT HEX(name) AS hex FROM tasks ORDER BY id");
    expect(rows.map(({ hex }) => hex)).toEqual(names.map((name) => Buffer.from(name).toString("hex").toUpperCase()));
    await fixture.query("DELETE FROM tasks");
  });

  it.each(["__proto__", "constructor", "toString", "hasOwnProperty", "prototype"])(
    "%s may be a label's key",
    async (key) => {
      // A literal would set the prototype.
      const labels = Object.fromEntries([[key, "v"]]);
      for (const client of CLIENTS) {
        const { call } = fixture.clients[client];
        const { task } = await call("createTask", { task: { name: `${client} ${key}`, labels, scheduledTime } });
        const read = (await call("getTask", { id: task!.id })).task!;
        expect(Object.entries(read.labels)).toEqual([[key, "v"]]);
        expect((await call("listTasks", { labelFilter: labels })).tasks.map(({ id }) => id)).toEqual([task!.id]);
        await call("updateTask", { task: { id: task!.id, labels: {} }, updateMask: { paths: ["labels"] } });
        expect((await call("listTasks", { labelFilter: labels })).tasks).toEqual([]);
        await call("deleteTask", { id: task!.id });
      }
      expect(Object.hasOwn(Object.prototype, "v")).toBe(false);
    },
  );

  const megabyte = "x".repeat(1024 * 1024);
  it.each<[string, Parameters<ApiFixture["client"]["call"]>[0], object, string]>([
    ["a name", "createTask", { task: { name: megabyte, scheduledTime } }, "task.name"],
    ["a description", "createTask", { task: { name: "a", description: megabyte, scheduledTime } }, "task.description"],
    ["a zone", "createTask", { task: { name: "a", timeZone: megabyte, scheduledTime } }, "task.time_zone"],
    ["a label's key", "createTask", { task: { name: "a", labels: { [megabyte]: "" }, scheduledTime } }, "task.labels"],
    ["a label's value", "createTask", { task: { name: "a", labels: { a: megabyte }, scheduledTime } }, "task.labels"],
    ["an etag", "updateTask", { task: { id: 1, etag: megabyte } }, "task.etag"],
    ["a path of a mask", "updateTask", { task: { id: 1 }, updateMask: { paths: [megabyte] } }, "update_mask"],
    ["a reason", "pauseTask", { id: 1, reason: megabyte }, "reason"],
    ["a request id", "runTask", { id: 1, requestId: megabyte }, "request_id"],
    ["a page token", "listTasks", { pageToken: megabyte }, "page_token"],
    ["an order", "listTasks", { orderBy: megabyte }, "order_by"],
    ["a filter", "listTasks", { nameContains: megabyte }, "name_contains"],
    ["a filter's value", "listTasks", { labelFilter: { a: megabyte } }, "label_filter"],
    ["an execution's id", "getExecution", { id: megabyte }, "id"],
  ])("of 1 MB for %s is refused by its name, in few words", async (_, method, request, field) => {
    for (const client of CLIENTS) {
      const fault = await faultOf(fixture.clients[client].call(method, request as never));
      expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields: [field] });
      expect(fault.message.length).toBeLessThanOrEqual(1_000);
    }
  });

  it.each<[string, Parameters<ApiFixture["client"]["call"]>[0], object, Partial<Fault>]>([
    [
      "a zone",
      "createTask",
      { task: { name: "a", timeZone: injection, scheduledTime } },
      { fields: ["task.time_zone"] },
    ],
    [
      "a label's key",
      "createTask",
      { task: { name: "a", labels: { [injection]: "" }, scheduledTime } },
      { fields: ["task.labels"] },
    ],
    ["a mask", "updateTask", { task: { id: 1 }, updateMask: { paths: [injection] } }, { fields: ["update_mask"] }],
    ["an order", "listTasks", { orderBy: `id ${injection}` }, { fields: ["order_by"] }],
    ["a filter's key", "listTasks", { labelFilter: { [injection]: "" } }, { fields: ["label_filter"] }],
    ["a page token", "listTasks", { pageToken: injection }, { fields: ["page_token"] }],
    ["a request id", "runTask", { id: 1, requestId: injection }, { fields: ["request_id"] }],
    ["an execution's id", "getExecution", { id: injection }, { reason: "EXECUTION_NOT_FOUND" }],
  ])("of SQL for %s is refused and does nothing", async (_, method, request, expected) => {
    expect(await faultOf(fixture.client.call(method, request as never))).toMatchObject(expected);
    expect((await fixture.query("SHOW TABLES LIKE 'tasks'")).length).toBe(1);
  });

  it("of SQL in a filter finds what contains it, and nothing else", async () => {
    await fixture.client.call("createTask", { task: { name: "plain", scheduledTime } });
    for (const nameContains of ["%", "_", "' OR '1'='1", "\\", "x') OR 1=1 -- "]) {
      expect((await fixture.client.call("listTasks", { nameContains })).tasks).toEqual([]);
    }
    for (const value of ["' OR '1'='1", '"', "\\", "%"]) {
      expect((await fixture.client.call("listTasks", { labelFilter: { k: value } })).tasks).toEqual([]);
    }
    await fixture.query("DELETE FROM tasks");
  });
});

describe("a time", () => {
  const year10000 = 253_402_300_800n;
  it.each([
    ["before the year 1", -62_135_596_801n, 0],
    ["in the year 10000", year10000, 0],
    ["a fraction before it", year10000 - 1n, 999_999_999],
    ["as far as numbers go", 2n ** 63n - 1n, 0],
    ["as far back as numbers go", -(2n ** 63n), 0],
    ["of nanos beyond a second", 0n, 1_000_000_000],
    ["of negative nanos", 0n, -1],
  ])("%s is refused by its name", async (_, seconds, nanos) => {
    const time = create(TimestampSchema, { seconds, nanos });
    for (const client of BINARY) {
      const { call } = fixture.clients[client];
      const created = await faultOf(call("createTask", { task: { name: "a", scheduledTime: time } }));
      expect(created).toMatchObject({ reason: "INVALID_FIELD", fields: ["task.scheduled_time"] });
      const batch = await call("batchCreateTasks", { tasks: [{ name: "a", scheduledTime: time }] });
      expect(batch.results[0]?.result.case).toBe("error");
      const previewed = await faultOf(call("previewSchedule", { scheduledTime: time }));
      expect(previewed).toMatchObject({ reason: "INVALID_FIELD", fields: ["scheduled_time"] });
    }
  });

  it.each(["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"])(
    "%s is kept to the millisecond, in every zone",
    async (text) => {
      for (const [index, timeZone] of ["UTC", "+14:00", "-12:00", "America/New_York"].entries()) {
        const task = { name: `${text} ${index}`, scheduledTime: at(text), recurrence: Recurrence.YEARLY, timeZone };
        const created = (await fixture.client.call("createTask", { task })).task!;
        const read = (await fixture.client.call("getTask", { id: created.id })).task!;
        expect(textOf(read.scheduledTime)).toBe(text);
        await fixture.client.call("deleteTask", { id: created.id });
      }
    },
  );
});

describe("a number", () => {
  it.each([99, -1, 2 ** 31 - 1, -(2 ** 31)])("%d for an enum is refused by its field", async (value) => {
    for (const client of BINARY) {
      const { call } = fixture.clients[client];
      const task = { name: "a", scheduledTime, recurrence: value as Recurrence };
      expect(await faultOf(call("createTask", { task }))).toMatchObject({ fields: ["task.recurrence"] });
      expect(await faultOf(call("listTasks", { states: [value as TaskState] }))).toMatchObject({
        fields: ["states[0]"],
      });
      const states = [value as ExecutionState];
      expect(await faultOf(call("listExecutions", { states }))).toMatchObject({ fields: ["states[0]"] });
    }
  });

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1])("%d for an id finds nothing", async (id) => {
    for (const client of CLIENTS) {
      const { call } = fixture.clients[client];
      for (const method of ["getTask", "deleteTask", "pauseTask", "resumeTask", "runTask"] as const) {
        expect(await faultOf(call(method, { id }))).toMatchObject({ code: "NOT_FOUND", reason: "TASK_NOT_FOUND" });
      }
      expect(await faultOf(call("updateTask", { task: { id, name: "b" } }))).toMatchObject({ code: "NOT_FOUND" });
      expect((await call("listExecutions", { taskId: id })).executions).toEqual([]);
    }
  });

  it.each([-1, -(2 ** 31)])("%d for a page's size or a count is refused", async (size) => {
    expect(await faultOf(fixture.client.call("listTasks", { pageSize: size }))).toMatchObject({
      fields: ["page_size"],
    });
    expect(await faultOf(fixture.client.call("listExecutions", { pageSize: size }))).toMatchObject({
      fields: ["page_size"],
    });
    const preview = fixture.client.call("previewSchedule", { scheduledTime, count: size });
    expect(await faultOf(preview)).toMatchObject({ fields: ["count"] });
  });
});

/** The text with one bit of one character flipped. */
function* flipped(text: string): Generator<string> {
  for (let index = 0; index < text.length; index += 1) {
    for (const bit of [1, 2, 16]) {
      yield text.slice(0, index) + String.fromCharCode(text.charCodeAt(index) ^ bit) + text.slice(index + 1);
    }
  }
}

describe("a token with a bit flipped", () => {
  it("is refused where it names a page", async () => {
    const tasks = Array.from({ length: 3 }, (_, index) => ({ name: `page ${index}`, scheduledTime }));
    await fixture.client.call("batchCreateTasks", { tasks });
    const { nextPageToken } = await fixture.client.call("listTasks", { pageSize: 1, orderBy: "name" });
    expect(nextPageToken).not.toBe("");
    for (const pageToken of flipped(nextPageToken)) {
      const fault = await faultOf(fixture.client.call("listTasks", { pageSize: 1, orderBy: "name", pageToken }));
      expect([pageToken, fault.reason, fault.fields]).toEqual([pageToken, "INVALID_PAGE_TOKEN", ["page_token"]]);
    }
  });

  it("is refused, or ahead of or behind what it was, where it resumes a stream", async () => {
    const watch = fixture.client.watch("watchTasks");
    const token = await watch.until("the snapshot ends", (events) => events.at(-1)?.resumeToken);
    watch.cancel();
    const [, revision = ""] = token.split("-");
    const damaged = [...flipped(token)].filter((text) => {
      const [epoch, other = ""] = text.split("-");
      // A number that another digit made smaller is a token of its own.
      return epoch !== token.split("-")[0] || !/^(0|[1-9]\d*)$/.test(other) || Number(other) > Number(revision);
    });
    const faults = await Promise.all(
      damaged.map(async (resumeToken) => {
        const { reason } = await fixture.client.watch("watchTasks", { resumeToken }).ended;
        return [resumeToken, reason];
      }),
    );
    for (const [text, reason] of faults) {
      expect([text, reason]).toEqual([text, expect.stringMatching(/^(INVALID_RESUME_TOKEN|RESUME_TOKEN_EXPIRED)$/)]);
    }
  });
});

it("a batch that no statement could hold is refused as a whole, and says what to do", async () => {
  const labels = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`key-${index}`, "\\".repeat(250)]));
  const tasks = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ name: `large ${index}`, labels, scheduledTime }));
  const fault = await faultOf(fixture.client.call("batchCreateTasks", { tasks: tasks(400), requestId: randomUUID() }));
  expect(fault).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "REQUEST_TOO_LARGE", fields: ["tasks"] });
  const written = await Promise.all(
    [0, 1, 2].map((batch) =>
      fixture.client.call("batchCreateTasks", {
        tasks: tasks(100).map((task) => ({ ...task, name: `${batch} ${task.name}` })),
        requestId: randomUUID(),
      }),
    ),
  );
  for (const { results } of written) expect(results.every(({ result }) => result.case === "task")).toBe(true);
  await fixture.query("DELETE FROM tasks");
});

it("changes of many large tasks at once are written, however large they are together", async () => {
  // As text for the database: 32 KB each; and as a change, which holds the labels before as well, 64: 20 MB together.
  const labels = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`key-${index}`, "\\".repeat(250)]));
  const ids: number[] = [];
  for (let batch = 0; batch < 3; batch += 1) {
    const tasks = Array.from({ length: 100 }, (_, index) => ({ name: `big ${batch} ${index}`, labels, scheduledTime }));
    const { results } = await fixture.client.call("batchCreateTasks", { tasks });
    for (const { result } of results) if (result.case === "task") ids.push(result.value.id);
  }
  expect(ids.length).toBe(300);
  const watch = fixture.client.watch("watchTasks");
  await watch.until("the snapshot ends", (events) => events.at(-1)?.event.case === "snapshotComplete", 30_000);
  const paused = await Promise.all(
    ids.map((id) => fixture.client.call("pauseTask", { id, reason: "many", requestId: randomUUID() })),
  );
  expect(paused.every(({ task }) => task?.pauseReason === "many")).toBe(true);
  const upserted = await watch.until(
    "all are told",
    (events) => {
      const told = events.flatMap(({ event }) => (event.case === "upserted" ? [event.value.id] : []));
      return told.length >= ids.length && told;
    },
    30_000,
  );
  watch.cancel();
  expect([...upserted].sort((a, b) => a - b)).toEqual(ids);
  await fixture.query("DELETE FROM tasks");
});

describe("a scheduler that is wrong", () => {
  const year300000 = 9_403_979_577_600_000n;
  it.each<[string, "claimExecutions" | "reportExecutions", object, string]>([
    [
      "a claim",
      "claimExecutions",
      { occurrences: [{ taskId: 1 }, { taskId: 1, scheduledTimeMs: year300000 }] },
      "occurrences[1].scheduled_time_ms",
    ],
    [
      "a claim before the year 1",
      "claimExecutions",
      { occurrences: [{ scheduledTimeMs: -(2n ** 63n) }] },
      "occurrences[0].scheduled_time_ms",
    ],
    [
      "a report",
      "reportExecutions",
      { reports: [{ state: 5, scheduledTimeMs: year300000 }] },
      "reports[0].scheduled_time_ms",
    ],
    ["a start", "reportExecutions", { reports: [{ state: 5, startTimeMs: year300000 }] }, "reports[0].start_time_ms"],
    ["an end", "reportExecutions", { reports: [{ state: 5, endTimeMs: 2n ** 63n - 1n }] }, "reports[0].end_time_ms"],
    [
      "an error of 1 MB",
      "reportExecutions",
      { reports: [{ state: 5, error: "x".repeat(1 << 20) }] },
      "reports[0].error",
    ],
    ["a state", "reportExecutions", { reports: [{ state: 1 }] }, "reports[0].state"],
  ])("in %s of no such time is told so by the field", async (_, method, request, field) => {
    const schedulers = grpcClient(SchedulerService, fixture.api.grpcAddress);
    try {
      const { incarnation } = await schedulers.unary("register", { schedulerId: "wrong", processId: randomUUID() });
      const fault = await faultOf(schedulers.unary(method, { incarnation, ...request }));
      expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields: [field] });
      const heldClaims = [{ taskId: 2 ** 32 - 1, scheduledTimeMs: year300000, fence: 1 }];
      const { drop } = await schedulers.unary("heartbeat", { incarnation, heldClaims, leaving: true });
      expect(drop).toMatchObject(heldClaims);
    } finally {
      schedulers.close();
    }
  });
});

it.each(["{", "", "null", "[]", '"x"', '{"k":1}', '{"k":null}', "\u{1f4a5}"])(
  "a task whose labels became %j in the database is shown without, beside the others",
  async (damaged) => {
    const tasks = ["whole", "damaged"].map((name) => ({ name, labels: { k: "v" }, scheduledTime }));
    await fixture.client.call("batchCreateTasks", { tasks });
    await fixture.query("UPDATE tasks SET labels = ? WHERE name = 'damaged'", [damaged]);
    const { tasks: listed } = await fixture.client.call("listTasks", { orderBy: "name" });
    expect(listed.map(({ name, labels }) => [name, labels])).toEqual([
      ["damaged", {}],
      ["whole", { k: "v" }],
    ]);
    const found = await fixture.client.call("listTasks", { labelFilter: { k: "v" } });
    expect(found.tasks.map(({ name }) => name)).toEqual(["whole"]);
    const watch = fixture.client.watch("watchTasks");
    await watch.until("the snapshot ends", (events) => events.at(-1)?.event.case === "snapshotComplete");
    watch.cancel();
    const id = listed[0]!.id;
    expect(fixture.api.output()).toMatch(new RegExp(`"key":"${id}","columns":\\["labels"\\],"msg":"a row is damaged`));
    await fixture.client.call("updateTask", { task: { id, labels: { k: "v" } } });
    expect((await fixture.client.call("getTask", { id })).task?.labels).toEqual({ k: "v" });
    await fixture.query("DELETE FROM tasks");
  },
);

it("what is malformed is refused soon", () => {
  const median = [...took].sort((a, b) => a - b)[Math.floor(took.length / 2)];
  expect(median).toBeLessThan(TYPICAL_MS);
});

it("none of all this was a defect", () => {
  expect(fixture.api.output()).not.toMatch(/internal error|"level":"(error|fatal)"/);
});
