import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Execution,
  ExecutionState,
  type TaskSchema,
  TaskState,
  type Webhook,
  WebhookContentMode,
} from "@taskscheduler/proto";
import { HTTP } from "cloudevents";
import { Webhook as SignedWebhook } from "standardwebhooks";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { hang, type Received, type Receiver, startReceiver, status } from "../setup/receiver.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { faultOf } from "./api-fixture.js";

const OLD_KEY = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
const NEW_KEY = `whsec_${Buffer.alloc(32, 2).toString("base64")}`;
/** Quick enough for a test. */
const BACKOFF = { initialBackoff: durationFromMs(50), maxBackoff: durationFromMs(50) };

let database: TestDatabase;
let api: ApiProcess;
let scheduler: ServiceProcess;
let client: TaskClient;
let receiver: Receiver;
let folder: string;
let names = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  receiver = await startReceiver();
  folder = await mkdtemp(join(tmpdir(), "webhooks-"));
  const secretsFile = join(folder, "secrets");
  await writeFile(secretsFile, `# rotation\ndefault ${OLD_KEY}\ndefault ${NEW_KEY}\n`);
  api = await startApi({ databaseUrl: database.url });
  scheduler = await startScheduler({
    apiAddress: api.grpcAddress,
    schedulerId: "caller",
    env: { TARGET_ALLOW_CIDRS: "127.0.0.1/32", WEBHOOK_SECRETS_FILE: secretsFile },
  });
  await Promise.all([api.ready(), scheduler.ready()]);
  client = createTaskClient(api.grpcAddress);
});

afterAll(async () => {
  client?.close();
  await killAll();
  await receiver?.close();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

type TaskInit = Exclude<MessageInitShape<typeof TaskSchema>, { $typeName: string }>;
interface HookInit extends Omit<TaskInit, "webhook"> {
  readonly webhook?: Partial<Pick<Webhook, "url" | "headers" | "body" | "secretName" | "contentMode">>;
}

async function create(path: string, { webhook, ...more }: HookInit = {}) {
  const { task } = await client.tasks.unary("createTask", {
    task: {
      ...{ name: `hook ${++names}`, scheduledTime: timestampFromMs(Date.now() + 200) },
      webhook: { url: receiver.url + path, ...webhook },
      ...more,
    },
  });
  return task!;
}

async function executionsOf(taskId: number): Promise<Execution[]> {
  return (await client.executions.unary("listExecutions", { taskId })).executions;
}

/** The one execution of a task, as soon as it is in the state. */
function executionIn(taskId: number, ...states: ExecutionState[]): Promise<Execution> {
  return eventually(
    `task ${taskId} has an execution that is ${states.map((each) => ExecutionState[each])}`,
    async () => {
      const [execution] = await executionsOf(taskId);
      return execution !== undefined && states.includes(execution.state) && execution;
    },
  );
}

const outcomes = ({ attempts }: Execution) =>
  attempts.map(({ attempt, state, httpStatus }) => [attempt, ExecutionState[state], httpStatus]);
const eventOf = ({ headers, body }: Received) => HTTP.toEvent({ headers, body }) as unknown as Record<string, unknown>;
const verified = (key: string, { headers, body }: Received) =>
  new SignedWebhook(key).verify(body, headers as Record<string, string>);

describe("a task falls due", () => {
  it("calls its target once, on time, with a signed event, and the ledger has the answer", async () => {
    receiver.answer("/once", status(204));
    const { id, name } = await create("/once", {
      webhook: {
        headers: { Authorization: "Bearer mine" },
        body: '{"task":"{{task.name}}","run":"{{execution.id}}","attempt":{{execution.attempt}}}',
      },
    });
    const execution = await executionIn(id, ExecutionState.SUCCEEDED);
    const dueMs = timestampMs(execution.scheduledTime!);
    expect(execution).toMatchObject({ httpStatus: 204, error: "", attempt: 1, schedulerId: "caller" });
    expect(outcomes(execution)).toEqual([[1, "SUCCEEDED", 204]]);
    expect(durationMs(execution.attempts[0]!.duration!)).toBe(
      timestampMs(execution.endTime!) - timestampMs(execution.startTime!),
    );
    const [request, ...others] = receiver.requestsOf("/once");
    expect(others).toEqual([]);
    expect(request!.atMs).toBeGreaterThanOrEqual(dueMs);
    expect(request).toMatchObject({ method: "POST", headers: { authorization: "Bearer mine" } });
    expect(JSON.parse(request!.body)).toEqual({ task: name, run: execution.id, attempt: 1 });
    expect(request!.headers).toMatchObject({
      "webhook-id": execution.id.replace(".", "_"),
      "taskscheduler-scheduled-time": new Date(dueMs).toISOString(),
      "taskscheduler-attempt": "1",
      "taskscheduler-trigger": "SCHEDULE",
    });
    for (const key of [OLD_KEY, NEW_KEY]) expect(verified(key, request!)).toEqual(JSON.parse(request!.body));
    expect(eventOf(request!)).toMatchObject({ id: execution.id, source: `/tasks/${id}`, attempt: "1" });
  });

  it("sends text between {{raw}} and {{/raw}} as it stands", async () => {
    const body = '{"template":"{{raw}}Hello {{name}}, {{task.id}}{{/raw}}","run":"{{execution.id}}"}';
    const { id, webhook } = await create("/raw", { webhook: { body } });
    expect(webhook?.body).toBe(body);
    const execution = await executionIn(id, ExecutionState.SUCCEEDED);
    const [request] = receiver.requestsOf("/raw");
    expect(JSON.parse(request!.body)).toEqual({ template: "Hello {{name}}, {{task.id}}", run: execution.id });
  });

  it("succeeds at once where its target sends interim responses that nobody asked for", async () => {
    receiver.answer("/interim", (response) => {
      response.writeContinue();
      response.writeProcessing();
      response.writeEarlyHints({ link: "</style.css>; rel=preload" });
      response.end();
    });
    const { id } = await create("/interim");
    const execution = await executionIn(id, ExecutionState.SUCCEEDED, ExecutionState.FAILED);
    expect(outcomes(execution)).toEqual([[1, "SUCCEEDED", 200]]);
    expect(receiver.requestsOf("/interim")).toHaveLength(1);
  });

  it("puts the whole event into the body where it is asked to", async () => {
    const contentMode = WebhookContentMode.STRUCTURED;
    const { id } = await create("/structured", { webhook: { contentMode, body: '{"a":[1]}' } });
    await executionIn(id, ExecutionState.SUCCEEDED);
    const [request] = receiver.requestsOf("/structured");
    expect(request!.headers["content-type"]).toMatch(/^application\/cloudevents\+json/);
    expect(eventOf(request!)).toMatchObject({ specversion: "1.0", data: { a: [1] } });
    expect(verified(NEW_KEY, request!)).toMatchObject({ data: { a: [1] } });
  });

  it("says by a default body which execution it is", async () => {
    const { id, name } = await create("/default");
    const { id: executionId } = await executionIn(id, ExecutionState.SUCCEEDED);
    const body = JSON.parse(receiver.requestsOf("/default")[0]!.body);
    expect(body).toMatchObject({ task_id: id, task_name: name, execution_id: executionId, attempt: 1 });
  });

  it("fails, and is tried again, where the secret it names is not there", async () => {
    const { id } = await create("/secret", {
      webhook: { secretName: "other" },
      retryPolicy: { maxAttempts: 2, ...BACKOFF },
    });
    const execution = await executionIn(id, ExecutionState.FAILED);
    expect(outcomes(execution)).toEqual([
      [1, "FAILED", 0],
      [2, "FAILED", 0],
    ]);
    expect(execution.error).toMatch("other");
    expect(receiver.requestsOf("/secret")).toEqual([]);
  });
});

describe("an attempt fails", () => {
  it("and is made again under the same id until it succeeds", async () => {
    let count = 0;
    receiver.answer("/flaky", (response, request) => {
      count += 1;
      status(count < 3 ? 500 : 200, {}, `no ${count}\nmore`)(response, request);
    });
    const { id } = await create("/flaky", { retryPolicy: BACKOFF });
    const execution = await executionIn(id, ExecutionState.SUCCEEDED);
    expect(outcomes(execution)).toEqual([
      [1, "FAILED", 500],
      [2, "FAILED", 500],
      [3, "SUCCEEDED", 200],
    ]);
    expect(execution.attempts[0]!.error).toBe("HTTP 500: no 1 more");
    const requests = receiver.requestsOf("/flaky");
    expect(new Set(requests.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    expect(requests.map(({ headers }) => headers["taskscheduler-attempt"])).toEqual(["1", "2", "3"]);
    expect(durationMs(execution.lateness!)).toBeLessThan(5_000);
    for (const request of requests) expect(() => verified(OLD_KEY, request)).not.toThrow();
    expect((await client.get(id)).state).toBe("COMPLETED");
    // A sweep, which would find them as well, comes every two seconds.
    for (const [index, { startTime }] of execution.attempts.slice(1).entries()) {
      const waitedMs = timestampMs(startTime!) - timestampMs(execution.attempts[index]!.endTime!);
      expect(waitedMs).toBeLessThan(1_500);
    }
  });

  it("waits, and says until when, as long as the target asks", async () => {
    receiver.answer("/busy", status(429, { "Retry-After": "3600" }));
    const { id } = await create("/busy", { retryPolicy: BACKOFF });
    const execution = await executionIn(id, ExecutionState.RETRYING);
    const waitMs = timestampMs(execution.retryTime!) - timestampMs(execution.attempts[0]!.endTime!);
    expect(waitMs).toBeGreaterThan(3_590_000);
    expect(waitMs).toBeLessThan(3_610_000);
    expect((await client.get(id)).state).toBe("ACTIVE");
    await client.executions.unary("cancelExecution", { id: execution.id });
    const cancelled = await executionIn(id, ExecutionState.CANCELLED);
    expect([cancelled.error, cancelled.retryTime]).toEqual(["cancelled by a user", undefined]);
    expect((await client.get(id)).state).toBe("COMPLETED");
  });

  it("for good with an answer that another attempt would get as well", async () => {
    receiver.answer("/missing", status(404));
    const { id } = await create("/missing");
    expect(outcomes(await executionIn(id, ExecutionState.FAILED))).toEqual([[1, "FAILED", 404]]);
    receiver.answer("/moved", status(302, { Location: "http://127.0.0.1:1/" }));
    const moved = await executionIn((await create("/moved")).id, ExecutionState.FAILED);
    expect(moved).toMatchObject({ httpStatus: 302, error: expect.stringMatching("not followed") });
  });

  it("by its timeout, and the target sees that the caller has gone", async () => {
    receiver.answer("/hang", hang);
    const { id } = await create("/hang", {
      ...{ timeout: durationFromMs(400), retryPolicy: { maxAttempts: 2, ...BACKOFF } },
    });
    const execution = await executionIn(id, ExecutionState.FAILED);
    expect(execution.error).toMatch("timed out");
    expect(outcomes(execution)).toEqual([
      [1, "FAILED", 0],
      [2, "FAILED", 0],
    ]);
    await eventually("both calls are broken off", () => receiver.requestsOf("/hang").every((each) => each.isAborted));
  });

  it("with 410: the task is paused, and says why", async () => {
    receiver.answer("/gone", status(410));
    const { id } = await create("/gone", { recurrence: 2 });
    await executionIn(id, ExecutionState.FAILED);
    const { task } = await client.tasks.unary("getTask", { id });
    expect(task).toMatchObject({ state: TaskState.PAUSED, pauseReason: "the target answered 410 Gone", runCount: 1 });
    expect((await client.resume(id)).state).toBe("ACTIVE");
  });

  it("as it is blocked, without a second attempt", async () => {
    const { id } = await create("/", { webhook: { url: "http://169.254.169.254/latest/meta-data" } });
    const execution = await executionIn(id, ExecutionState.FAILED);
    expect(execution.error).toMatch(/^blocked: 169\.254\.169\.254 /);
    expect(outcomes(execution)).toEqual([[1, "FAILED", 0]]);
  });
});

describe("dead letters", () => {
  it("are retried one by one, or all that match, and keep what went before", async () => {
    receiver.answer("/dead", status(500));
    const retryPolicy = { maxAttempts: 1 };
    const tasks = await Promise.all([1, 2, 3].map(() => create("/dead", { retryPolicy })));
    const failed = await Promise.all(tasks.map(({ id }) => executionIn(id, ExecutionState.FAILED)));
    const [first, second, third] = failed;
    receiver.answer("/dead", status(200));

    const judged = await client.executions.unary("retryExecution", { id: first!.id, validateOnly: true });
    expect(judged.execution).toMatchObject({ state: ExecutionState.PENDING });
    expect((await executionIn(tasks[0]!.id, ExecutionState.FAILED)).attempts).toHaveLength(1);
    const requestId = "0b2f6c1e-7a3d-4f0e-9a51-2d1c9d6f4a10";
    const answer = await client.executions.unary("retryExecution", { id: first!.id, requestId });
    expect(answer).toMatchObject({ retriedCount: 1, hasMore: false, execution: { id: first!.id } });
    expect(await client.executions.unary("retryExecution", { id: first!.id, requestId })).toEqual(answer);
    const retried = await executionIn(tasks[0]!.id, ExecutionState.SUCCEEDED);
    expect(outcomes(retried)).toEqual([
      [1, "FAILED", 500],
      [2, "SUCCEEDED", 200],
    ]);
    expect(await client.get(tasks[0]!.id)).toMatchObject({ state: "COMPLETED", runCount: 1 });

    const of = (taskId: number) => client.executions.unary("retryExecution", { filter: { taskId } });
    expect(await of(tasks[1]!.id)).toMatchObject({ retriedCount: 1, hasMore: false });
    await executionIn(tasks[1]!.id, ExecutionState.SUCCEEDED);
    expect(await of(tasks[1]!.id)).toMatchObject({ retriedCount: 0 });
    const range = {
      scheduledAfter: timestampFromMs(timestampMs(third!.scheduledTime!) - 1),
      scheduledBefore: timestampFromMs(timestampMs(third!.scheduledTime!) + 1),
    };
    await client.executions.unary("retryExecution", { filter: range });
    await executionIn(tasks[2]!.id, ExecutionState.SUCCEEDED);
    expect(new Set(receiver.requestsOf("/dead").map(({ headers }) => headers["webhook-id"])).size).toBe(3);
    expect(second!.id).not.toBe(third!.id);
  });

  it("say why they cannot be retried", async () => {
    receiver.answer("/lost", status(404));
    const { id } = await create("/lost");
    const failed = await executionIn(id, ExecutionState.FAILED);
    await client.remove(id);
    const fault = await faultOf(client.executions.unary("retryExecution", { id: failed.id }));
    expect(fault).toMatchObject({ code: "FAILED_PRECONDITION", reason: "TASK_DELETED" });
  });
});

describe("to cancel", () => {
  it("breaks off a run in flight, and nothing is tried again", async () => {
    receiver.answer("/long", hang);
    const { id } = await create("/long", { timeout: durationFromMs(60_000) });
    const running = await executionIn(id, ExecutionState.RUNNING);
    expect([running.startTime, running.endTime]).toEqual([expect.anything(), undefined]);
    expect(outcomes(running)).toEqual([[1, "RUNNING", 0]]);
    const { execution } = await client.executions.unary("cancelExecution", { id: running.id });
    expect(execution).toMatchObject({ state: ExecutionState.CANCELLED, error: "cancelled by a user" });
    await eventually("the call is broken off", () => receiver.requestsOf("/long").every((each) => each.isAborted));
    const told = await eventually("the row says how the attempt ended", async () => {
      const [row] = await executionsOf(id);
      return row?.attempts[0]?.state === ExecutionState.CANCELLED && row;
    });
    expect(told).toMatchObject({ state: ExecutionState.CANCELLED, error: "cancelled by a user" });
    expect(told.attempts[0]!.error).toBe("cancelled by a user");
    expect((await client.get(id)).state).toBe("COMPLETED");
    const again = await client.executions.unary("cancelExecution", { id: running.id });
    expect(again.execution).toMatchObject({ state: ExecutionState.CANCELLED });
    expect(receiver.requestsOf("/long")).toHaveLength(1);
  });

  it("an occurrence ahead of its time, which then does not run, also when its task is moved there and back", async () => {
    const dueMs = Date.now() + 1_800;
    const { id } = await create("/ahead", { scheduledTime: timestampFromMs(dueMs), recurrence: 2 });
    const claimed = await executionIn(id, ExecutionState.CLAIMED);
    await client.executions.unary("cancelExecution", { id: claimed.id });
    await client.move(id, dueMs + 86_400_000);
    await client.move(id, dueMs);
    const marker = await create("/marker", { scheduledTime: timestampFromMs(dueMs + 300) });
    await executionIn(marker.id, ExecutionState.SUCCEEDED);
    expect((await executionsOf(id)).map(({ state }) => state)).toEqual([ExecutionState.CANCELLED]);
    expect(receiver.requestsOf("/ahead")).toEqual([]);
  });

  it("what has ended is refused", async () => {
    const { id } = await create("/done");
    const ended = await executionIn(id, ExecutionState.SUCCEEDED);
    const fault = await faultOf(client.executions.unary("cancelExecution", { id: ended.id }));
    expect(fault).toMatchObject({ code: "FAILED_PRECONDITION", reason: "EXECUTION_ENDED" });
  });
});

it("what waits to be tried again is withdrawn when its task calls nothing any more", async () => {
  receiver.answer("/cleared", status(500));
  const backoff = durationFromMs(3_000);
  const { id } = await create("/cleared", { retryPolicy: { initialBackoff: backoff, maxBackoff: backoff } });
  await eventually("the first attempt has failed", async () => {
    const [execution] = await executionsOf(id);
    return execution?.attempts[0]?.state === ExecutionState.FAILED;
  });
  await client.tasks.unary("updateTask", { task: { id }, updateMask: { paths: ["webhook"] } });
  const execution = await executionIn(id, ExecutionState.CANCELLED, ExecutionState.SUCCEEDED, ExecutionState.FAILED);
  // One that was claimed by then, two seconds ahead, calls what it was to call.
  expect(execution.state === ExecutionState.CANCELLED || execution.attempts.length > 1).toBe(true);
  expect(execution.attempts.every(({ state }) => state === ExecutionState.FAILED)).toBe(true);
});

describe("an edit", () => {
  it("of the target reaches what is claimed already", async () => {
    const dueMs = Date.now() + 1_800;
    const { id } = await create("/old", { scheduledTime: timestampFromMs(dueMs) });
    await executionIn(id, ExecutionState.CLAIMED);
    const task = { id, webhook: { url: `${receiver.url}/new` } };
    await client.tasks.unary("updateTask", { task });
    const execution = await executionIn(id, ExecutionState.SUCCEEDED);
    expect(timestampMs(execution.scheduledTime!)).toBe(dueMs);
    expect([receiver.requestsOf("/old").length, receiver.requestsOf("/new").length]).toEqual([0, 1]);
  });
});

it("no secret is in what the scheduler wrote", () => {
  for (const key of [OLD_KEY, NEW_KEY]) expect(scheduler.output()).not.toMatch(key.slice("whsec_".length));
});
