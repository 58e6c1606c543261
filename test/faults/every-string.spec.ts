import { randomUUID } from "node:crypto";
import type { DescMethod } from "@bufbuild/protobuf";
import { ExecutionService, SchedulerService, type Task, TaskService } from "@taskscheduler/proto";
import { type ApiFixture, at, faultOf, startApiFixture } from "../integration/api-fixture.js";
import { type GrpcClient, grpcClient } from "../setup/clients.js";
import { residentBytes } from "./api-watch.js";
import { type StringPath, stringPathsOf } from "./string-paths.js";

/**
 * Every text that a request can hold, found in the protos: whatever stands there is refused by its field or kept as it is,
 * and nothing else happens. A field that is added is tried by itself.
 */

const FAR = at("2100-01-01T00:00:00Z");
/** Of all calls; the slowest says more of the machine than of the API. */
const TYPICAL_MS = 100;
/** A megabyte for each text, and what a process grows by in its first calls. */
const MAX_GROWTH_BYTES = 200 * 1024 * 1024;

const TEXTS: readonly [string, string][] = [
  ["SQL that ends a text", "'; DROP TABLE tasks; -- "],
  ["SQL that ends a text in double quotes", '"; DELETE FROM tasks; # '],
  ["SQL that is always true", "' OR '1'='1"],
  ["SQL behind a backslash", "\\'; UPDATE tasks SET name = 'taken' -- "],
  ["SQL behind NUL", "\0'; DROP TABLE changes; -- "],
  ["placeholders", "?:id::name$1%s%_`{{x}}"],
  ["NUL", "a\0b"],
  ["right-to-left marks and emoji", "\u202e🏳️‍🌈\u200f"],
  ["a megabyte", "x".repeat(1024 * 1024)],
];

let fixture: ApiFixture;
let clients: Record<string, GrpcClient<typeof TaskService>>;
let kept: Task;
let incarnation: number;
let bytesBefore: number;
const tookMs: number[] = [];

beforeAll(async () => {
  fixture = await startApiFixture();
  const { grpcAddress } = fixture.api;
  bytesBefore = await residentBytes(fixture.api);
  clients = Object.fromEntries(
    // Of one type for all: methods are called by the names that their descriptors give.
    [TaskService, ExecutionService, SchedulerService].map((service) => [
      service.typeName,
      grpcClient(service as unknown as typeof TaskService, grpcAddress),
    ]),
  );
  const task = { name: "kept", description: "as it was", labels: { k: "v" }, scheduledTime: FAR };
  kept = (await fixture.client.call("createTask", { task })).task!;
  ({ incarnation } = (await unary(SchedulerService.method.register, {
    schedulerId: "one",
    processId: randomUUID(),
  })) as unknown as { incarnation: number });
});

afterEach(async () => {
  await fixture.query("DELETE FROM tasks WHERE id <> ?", [kept.id]);
});

afterAll(async () => {
  for (const client of Object.values(clients ?? {})) client.close();
  await fixture?.stop();
});

const clientOf = (method: DescMethod) => clients[method.parent.typeName]!;
const unary = (method: DescMethod, request: object) =>
  clientOf(method).unary(method.localName as "getTask", request as never);

/** The first event of a stream. */
async function firstOf(method: DescMethod, request: object): Promise<object> {
  const stream = clientOf(method).stream(method.localName as "watchTasks", request as never);
  try {
    for await (const event of stream) return event;
    throw new Error("the stream ended");
  } finally {
    stream.on("error", () => undefined).cancel();
  }
}

/** A request that would be served, so that the text gets as far as it can. */
function requestOf(method: DescMethod): object {
  const name = randomUUID();
  const { id } = kept;
  const webhook = { url: "https://example.com/" };
  const bases: Record<string, object> = {
    CreateTask: { task: { name, scheduledTime: FAR, webhook } },
    BatchCreateTasks: { tasks: [{ name, scheduledTime: FAR, webhook }] },
    UpdateTask: { task: { id, description: "as it was", webhook }, validateOnly: true },
    ...Object.fromEntries(
      ["DeleteTask", "PauseTask", "ResumeTask", "RunTask"].map((each) => [each, { id, validateOnly: true }]),
    ),
    PreviewSchedule: { scheduledTime: FAR },
    Register: { schedulerId: name, processId: name },
    ReportExecutions: { incarnation, reports: [{ taskId: id, scheduledTimeMs: 1n, state: 6 }] },
  };
  return bases[method.name] ?? { id };
}

const methods = [TaskService, ExecutionService, SchedulerService].flatMap(({ methods: all }) => all);
const cases = methods.flatMap((method) =>
  stringPathsOf(method.input).map((path) => [method.name, path.name, method, path] as const),
);

it("the protos' texts are found, those of lists, of maps and of messages within messages too", () => {
  const names = new Set(cases.map(([method, path]) => `${method} ${path}`));
  for (const name of [
    "CreateTask task.name",
    "CreateTask task.labels, a key",
    "CreateTask request_id",
    "BatchCreateTasks tasks[0].webhook.headers, a value",
    "UpdateTask update_mask.paths[0]",
    "ListTasks page_token",
    "WatchTasks resume_token",
    "GetExecution id",
    "Register scheduler_id",
    "ReportExecutions reports[0].error",
  ]) {
    expect(names).toContain(name);
  }
});

it.each(cases)("%s: %s", async (_, __, method, path) => {
  for (const [what, text] of TEXTS) {
    const request = path.place(requestOf(method), text);
    const startMs = performance.now();
    const call = method.methodKind === "unary" ? unary(method, request) : firstOf(method, request);
    const answer = await call.then(
      (message) => message as object,
      () => undefined,
    );
    tookMs.push(performance.now() - startMs);
    if (answer === undefined) await expectRefusal(what, path, call);
    else expectKept(what, path, text, answer);
  }
  const { task } = await fixture.client.call("getTask", { id: kept.id });
  expect(task).toEqual(kept);
});

/** By the field's name, unless it is well formed and merely names nothing, or the method is not there yet. */
async function expectRefusal(what: string, { field }: StringPath, call: Promise<unknown>): Promise<void> {
  const { code, reason, fields, message } = await faultOf(call);
  expect([what, code]).toEqual([
    what,
    expect.stringMatching(/^(INVALID_ARGUMENT|NOT_FOUND|ABORTED|OUT_OF_RANGE|UNIMPLEMENTED)$/),
  ]);
  if (code === "INVALID_ARGUMENT") {
    expect([what, reason, fields.filter((each) => field.startsWith(each))]).not.toEqual([what, reason, []]);
  }
  expect(message.length).toBeLessThanOrEqual(1_000);
}

function expectKept(what: string, { name }: StringPath, text: string, answer: object): void {
  const [result] = (Reflect.get(answer, "results") ?? []) as { result?: { case: string; value: unknown } }[];
  if (result?.result?.case === "error") {
    expect([what, Reflect.get(Object(result.result.value), "code")]).toEqual([what, 3]);
    return;
  }
  const task = (Reflect.get(answer, "task") ?? result?.result?.value) as Task | undefined;
  if (task === undefined) return;
  const held: Record<string, unknown> = {
    name: task.name,
    description: task.description,
    "labels, a value": task.labels["k"],
    "labels, a key": Object.keys(task.labels)[0],
    "webhook.url": task.webhook?.url,
    "webhook.headers, a value": task.webhook?.headers["k"],
    "webhook.headers, a key": Object.keys(task.webhook?.headers ?? {})[0],
    "webhook.body": task.webhook?.body,
    "webhook.secret_name": task.webhook?.secretName,
    reason: task.pauseReason,
  };
  const key = name.replace(/^(task|tasks\[0\])\./, "");
  if (key in held) expect([what, held[key]]).toEqual([what, text]);
}

it("no table is gone, no other task was made another, and nothing of all this was a defect", async () => {
  const tables = (await fixture.query("SHOW TABLES")).map((row) => Object.values(row)[0]);
  for (const table of ["tasks", "executions", "changes", "requests", "schedulers"]) expect(tables).toContain(table);
  expect((await fixture.query("SELECT id FROM tasks WHERE name = 'kept'")).length).toBe(1);
  expect(await fixture.query("SELECT id FROM tasks WHERE name = 'taken'")).toEqual([]);
  expect(fixture.api.output()).not.toMatch(/internal error|"level":"(error|fatal)"/);
});

it("the API holds nothing of all this", async () => {
  const growth = (await residentBytes(fixture.api)) - bytesBefore;
  process.stderr.write(`every string: ${cases.length} texts, ${Math.round(growth / 1024 / 1024)} MB more\n`);
  expect(growth).toBeLessThan(MAX_GROWTH_BYTES);
});

it("each was answered soon", () => {
  const median = tookMs.sort((a, b) => a - b)[tookMs.length >> 1];
  expect(median).toBeLessThan(TYPICAL_MS);
});
