import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Execution, ExecutionState } from "@taskscheduler/proto";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { freePort } from "../../scripts/ports.mjs";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { hang, type Receiver, startReceiver, status } from "../setup/receiver.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { connectTo, createTestDatabase, type TestDatabase } from "../setup/test-database.js";

const LEASE_MS = 1_500;
const RECOVERED_MS = 30_000;

let server: PrivateServer;
let database: TestDatabase;
let ports: { readonly httpPort: number; readonly grpcPort: number };
let api: ApiProcess;
let client: TaskClient;
let receiver: Receiver;
let names = 0;

beforeEach(async () => {
  server = await startPrivateServer();
  database = await createTestDatabase(server.url);
  receiver = await startReceiver();
  ports = { httpPort: await freePort(), grpcPort: await freePort() };
  await launchApi();
  client = createTaskClient(api.grpcAddress);
});

afterEach(async () => {
  client?.close();
  await killAll();
  await receiver?.close();
  await server?.stop();
});

async function launchApi(): Promise<void> {
  api = await startApi({ databaseUrl: database.url, ...ports, env: { LEASE_MS: String(LEASE_MS) } });
  await api.ready();
}

async function launchScheduler(schedulerId: string, env: Record<string, string> = {}): Promise<ServiceProcess> {
  const allowed = { TARGET_ALLOW_CIDRS: "127.0.0.0/8", ...env };
  const scheduler = await startScheduler({ apiAddress: api.grpcAddress, schedulerId, env: allowed });
  await scheduler.ready();
  return scheduler;
}

async function create(path: string, backoffMs = 100, maxAttempts = 20): Promise<number> {
  const backoff = durationFromMs(backoffMs);
  const { task } = await client.tasks.unary("createTask", {
    task: {
      ...{ name: `hook ${++names}`, scheduledTime: timestampFromMs(Date.now() + 500) },
      webhook: { url: receiver.url + path },
      retryPolicy: { maxAttempts, initialBackoff: backoff, maxBackoff: backoff },
    },
  });
  return task!.id;
}

/** All that the ledger has of a task, when its first execution is in the state. */
function ledgerWhen(taskId: number, state: ExecutionState): Promise<Execution[]> {
  return eventually(
    `task ${taskId} is ${ExecutionState[state]}`,
    async () => {
      const { executions } = await client.executions.unary("listExecutions", { taskId });
      return executions[0]?.state === state && executions;
    },
    RECOVERED_MS,
  );
}

const outcomes = ({ attempts }: Execution) =>
  attempts.map(({ attempt, schedulerId, state }) => [attempt, schedulerId, ExecutionState[state]]);

it("a scheduler that is killed between the call and its report: the same id twice, one row, both attempts", async () => {
  const dying = await launchScheduler("first", { FAILPOINTS: "before-reportExecutions" });
  const taskId = await create("/");
  await dying.exited;
  expect(receiver.requests).toHaveLength(1);
  await launchScheduler("second");
  const [execution, ...others] = await ledgerWhen(taskId, ExecutionState.SUCCEEDED);
  expect(others).toEqual([]);
  expect(receiver.requests.map(({ headers }) => [headers["webhook-id"], headers["taskscheduler-attempt"]])).toEqual([
    [execution!.id.replace(".", "_"), "1"],
    [execution!.id.replace(".", "_"), "2"],
  ]);
  expect(outcomes(execution!)).toEqual([
    [1, "first", "FAILED"],
    [2, "second", "SUCCEEDED"],
  ]);
  expect(execution!.attempts[0]!.error).toMatch("died");
  expect((await client.get(taskId)).runCount).toBe(1);
});

it("a scheduler that is killed in the middle of a call: the row keeps when it began, and spends no retry", async () => {
  receiver.answer("/", hang);
  const dying = await launchScheduler("first");
  const taskId = await create("/");
  const [running] = await ledgerWhen(taskId, ExecutionState.RUNNING);
  await dying.kill();
  receiver.answer("/", status(200));
  await launchScheduler("second");
  const [execution] = await ledgerWhen(taskId, ExecutionState.SUCCEEDED);
  expect(outcomes(execution!)).toEqual([
    [1, "first", "FAILED"],
    [2, "second", "SUCCEEDED"],
  ]);
  expect(execution!.attempts[0]!.startTime).toEqual(running!.startTime);
  expect(execution!.startTime).toEqual(running!.startTime);
});

it("a scheduler that is told to stop breaks the call off, says so, and another makes it again: no retry is spent", async () => {
  receiver.answer("/", hang);
  const stopping = await launchScheduler("first", { SHUTDOWN_GRACE_MS: "2000" });
  const taskId = await create("/", 100, 1);
  await ledgerWhen(taskId, ExecutionState.RUNNING);
  await launchScheduler("second");
  receiver.answer("/", status(200));
  expect(await stopping.stop()).toBe(0);
  expect(receiver.requests[0]!.isAborted).toBe(true);
  const [execution] = await ledgerWhen(taskId, ExecutionState.SUCCEEDED);
  expect(outcomes(execution!)).toEqual([
    [1, "first", "FAILED"],
    [2, "second", "SUCCEEDED"],
  ]);
  expect(execution!.attempts[0]!.error).toBe("broken off: the scheduler was stopped");
});

it("a retry survives that everything is killed while it waits", async () => {
  receiver.answer("/", status(503, { "Retry-After": "4" }));
  const scheduler = await launchScheduler("first");
  const taskId = await create("/");
  const [waiting] = await ledgerWhen(taskId, ExecutionState.RETRYING);
  receiver.answer("/", status(200));
  await Promise.all([scheduler.kill(), api.kill(), server.kill()]);
  await server.start();
  await launchApi();
  await launchScheduler("second");
  const [execution, ...others] = await ledgerWhen(taskId, ExecutionState.SUCCEEDED);
  expect(others).toEqual([]);
  expect(execution!.id).toBe(waiting!.id);
  expect(outcomes(execution!)).toEqual([
    [1, "first", "FAILED"],
    [2, "second", "SUCCEEDED"],
  ]);
});

it("a cancellation while the scheduler is cut off from the API reaches the run when it is back", async () => {
  receiver.answer("/", hang);
  await launchScheduler("only");
  const taskId = await create("/");
  const [running] = await ledgerWhen(taskId, ExecutionState.RUNNING);
  await client.executions.unary("cancelExecution", { id: running!.id });
  await api.kill();
  await launchApi();
  await eventually("the call is broken off", () => receiver.requests[0]!.isAborted, RECOVERED_MS);
  const [execution] = await ledgerWhen(taskId, ExecutionState.CANCELLED);
  expect(execution!.attempts.length).toBeLessThanOrEqual(1);
  expect(receiver.requests).toHaveLength(1);
});

it("what is large is claimed, tried and told in as many pieces as it needs", async () => {
  const body = "x".repeat(65_000);
  const large = 300;
  receiver.answer("/", status(404));
  await launchScheduler("only", { MAX_CONCURRENCY_PER_TASK: "64" });
  const { task } = await client.tasks.unary("createTask", {
    task: {
      ...{ name: "large", scheduledTime: timestampFromMs(Date.now() + 3_600_000) },
      webhook: { url: `${receiver.url}/`, body },
    },
  });
  const connection = await connectTo(database.url);
  // As after a long outage: dead letters with a hundred attempts each, of one task with a large body.
  const attempt = { schedulerId: "before", startTimeMs: 1, endTimeMs: 2, state: "FAILED", httpStatus: 500 };
  const attempts = Array.from({ length: 99 }, (_, index) => ({
    ...attempt,
    attempt: index + 1,
    error: "e".repeat(300),
  }));
  await connection.query(
    `INSERT INTO executions (task_id, scheduled_time, task_name, trigger_kind, state, attempt, start_time, end_time, attempts)
       SELECT ?, UTC_TIMESTAMP(3) - INTERVAL seq SECOND, 'large', 'SCHEDULE', 'FAILED', 99, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), ?
         FROM seq_1_to_${large}`,
    [task!.id, JSON.stringify(attempts)],
  );
  await connection.end();
  const { retriedCount } = await client.executions.unary("retryExecution", { filter: { taskId: task!.id } });
  expect(retriedCount).toBe(large);
  const reminder = await client.create({ name: "beside", scheduledTimeMs: Date.now() + 500 });
  await ledgerWhen(reminder.id, ExecutionState.SUCCEEDED);
  await eventually("all have been tried again", () => receiver.requests.length === large, RECOVERED_MS);
  await eventually(
    "all are told",
    async () => {
      const states = [ExecutionState.PENDING, ExecutionState.CLAIMED, ExecutionState.RUNNING, ExecutionState.RETRYING];
      const { executions } = await client.executions.unary("listExecutions", {
        taskId: task!.id,
        states,
        pageSize: 10,
      });
      return executions.length === 0;
    },
    RECOVERED_MS,
  );
  const { executions } = await client.executions.unary("listExecutions", { taskId: task!.id, pageSize: 1 });
  expect(executions[0]!.attempts).toHaveLength(100);
}, 90_000);

it("a run that waits for its turn is not made once its task is deleted", async () => {
  receiver.answer("/", hang);
  await launchScheduler("only", { MAX_CONCURRENCY_PER_TASK: "1" });
  const { task } = await client.tasks.unary("createTask", {
    task: {
      ...{ name: "by hand", scheduledTime: timestampFromMs(Date.now() + 3_600_000), timeout: durationFromMs(3_000) },
      ...{ webhook: { url: `${receiver.url}/` }, retryPolicy: { maxAttempts: 1 } },
    },
  });
  for (let count = 0; count < 3; count += 1) await client.run(task!.id);
  await eventually("one runs", () => receiver.requests.length === 1);
  await eventually("it is known to run, and the others are claimed", async () => {
    const states = (await client.runs(task!.id)).map(({ state }) => state).sort();
    return states.join() === "CLAIMED,CLAIMED,RUNNING";
  });
  await client.remove(task!.id);
  await eventually("the one that runs has come to its end", async () => {
    const states = (await client.runs(task!.id)).map(({ state }) => state).sort();
    return states.join() === "CANCELLED,CANCELLED,FAILED";
  });
  expect(receiver.requests).toHaveLength(1);
});
