import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Execution, ExecutionState } from "@taskscheduler/proto";
import { freePort } from "../../scripts/ports.mjs";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createRandom } from "../setup/random.js";
import { type Receiver, startReceiver, status } from "../setup/receiver.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { describePlan, planKills, strikeBy, type Victim } from "./kill-plan.js";

const LEASE_MS = 1_000;
const TASKS = 400;
const SPAN_MS = 12_000;
const SETTLED_MS = 60_000;
const random = createRandom("webhooks under kills");
/** What the receiver draws is by the order of calls, which no seed gives again. */
const answers = random.fork();

let database: TestDatabase;
let receiver: Receiver;
let ports: { readonly httpPort: number; readonly grpcPort: number };
let api: ApiProcess;
const schedulers: ServiceProcess[] = [];
let client: TaskClient;

async function launchApi(): Promise<void> {
  api = await startApi({ databaseUrl: database.url, ...ports, env: { LEASE_MS: String(LEASE_MS) } });
}

async function launchScheduler(index: number): Promise<void> {
  schedulers[index] = await startScheduler({
    ...{ apiAddress: `127.0.0.1:${ports.grpcPort}`, schedulerId: `scheduler ${index}` },
    env: { TARGET_ALLOW_CIDRS: "127.0.0.0/8" },
  });
}

beforeAll(async () => {
  [database, receiver] = await Promise.all([createTestDatabase(), startReceiver()]);
  ports = { httpPort: await freePort(), grpcPort: await freePort() };
  await launchApi();
  await Promise.all([0, 1].map(launchScheduler));
  await Promise.all([api, ...schedulers].map((each) => each.ready()));
  client = createTaskClient(api.grpcAddress);
});

afterAll(async () => {
  client?.close();
  await killAll();
  await Promise.all([receiver?.close(), database?.drop()]);
});

it("each execution succeeds under one id, and the ledger has every attempt that the receiver saw", async () => {
  receiver.answer("/", (response, request) => {
    const fails = answers.below(10) < 3;
    const isSlow = answers.below(10) < 2;
    const answer = () => status(fails ? 503 : 200)(response, request);
    if (isSlow) setTimeout(answer, answers.between(50, 1_500));
    else answer();
  });
  const startMs = Date.now() + 1_500;
  const backoff = durationFromMs(300);
  const tasks = Array.from({ length: TASKS }, (_, index) => ({
    ...{ name: `hook ${index}`, scheduledTime: timestampFromMs(startMs + random.below(SPAN_MS)) },
    webhook: { url: `${receiver.url}/` },
    retryPolicy: { maxAttempts: 100, initialBackoff: backoff, maxBackoff: backoff },
  }));
  await client.tasks.unary("batchCreateTasks", { tasks });
  const victims: Victim[] = [
    { name: "api", restart: () => api.kill().then(launchApi) },
    ...[0, 1].map((index) => ({
      name: `scheduler ${index}`,
      restart: async () => {
        await schedulers[index]?.kill();
        await launchScheduler(index);
      },
    })),
  ];
  const plan = planKills(random, victims.length, SPAN_MS + 1_500);
  await strikeBy(plan, victims);
  await Promise.all([api, ...schedulers].map((each) => each.ready()));
  const rows = await eventually(
    "all have ended",
    async () => {
      const { executions } = await client.executions.unary("listExecutions", { pageSize: 1_000 });
      return executions.length === TASKS && executions.every(hasEnded) && executions;
    },
    SETTLED_MS,
  );
  process.stderr.write(`webhooks under kills: ${describePlan(plan, victims)}; ${receiver.requests.length} calls\n`);
  expect(rows.filter(({ state }) => state !== ExecutionState.SUCCEEDED)).toEqual([]);
  expect(new Set(rows.map(({ taskId }) => taskId)).size).toBe(TASKS);

  const seen = new Map<string, number[]>();
  for (const { headers } of receiver.requests) {
    const id = String(headers["taskscheduler-execution-id"]);
    seen.set(id, [...(seen.get(id) ?? []), Number(headers["taskscheduler-attempt"])]);
  }
  expect(seen.size).toBe(TASKS);
  for (const { id, attempts } of rows) {
    const calls = seen.get(id) ?? [];
    // No attempt is made twice, and none that was made is missing.
    expect([id, new Set(calls).size]).toEqual([id, calls.length]);
    expect([id, attempts.map(({ attempt }) => attempt)]).toEqual([id, expect.arrayContaining(calls)]);
    expect([id, attempts.at(-1)?.state]).toEqual([id, ExecutionState.SUCCEEDED]);
  }
});

function hasEnded({ state }: Execution): boolean {
  return state === ExecutionState.SUCCEEDED || state === ExecutionState.FAILED || state === ExecutionState.MISSED;
}
