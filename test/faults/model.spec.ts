import { randomUUID } from "node:crypto";
import { ExecutionState, TaskState } from "@taskscheduler/proto";
import fc from "fast-check";
import { type Connection, createConnection } from "mariadb";
import {
  type ApiClient,
  type ApiClients,
  clientsOf,
  faultOf,
  type UnaryName,
  walkPages,
} from "../integration/api-fixture.js";
import { type ApiProcess, killAll, startApi } from "../setup/processes.js";
import { createRandom } from "../setup/random.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import {
  compareBy,
  type Draft,
  initOf,
  isSame,
  MASK_FIELDS,
  type MaskField,
  type ModelTask,
  modelOf,
  TaskModel,
  updated,
} from "./task-model.js";

/**
 * Random calls over two clients, against a model in memory, with an API that is killed now and then. All times are far
 * off, so that nothing happens but what is called.
 */

const RUNS = 30;
/** At most; half as many on average. */
const COMMANDS = 80;
const TIME_LIMIT_MS = 45_000;
/** A machine that makes fewer within the limit has not tried the model. */
const MIN_CALLS = 300;
/** In all runs together: each takes a second. */
const KILLS = 6;
const MISSING_ID = 2_000_000_000;
const FAR_MS = Date.UTC(2900, 0, 1);

jest.setTimeout(120_000);

let database: TestDatabase;
let api: ApiProcess;
let clients: ApiClients;
let connection: Connection;
let killsLeft = KILLS;
let callCount = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  connection = await createConnection(database.url);
  api = await startApi({ databaseUrl: database.url });
  await api.ready();
  clients = clientsOf(api);
});

afterAll(async () => {
  clients?.close();
  await connection?.end();
  await killAll();
  await database?.drop();
});

/** A request that names itself, and what it was answered. */
interface Answered {
  readonly method: UnaryName;
  readonly request: { readonly requestId: string };
  readonly answer: unknown;
}

class Real {
  readonly answered: Answered[] = [];

  client(number: number): ApiClient {
    return number % 2 === 0 ? clients.gRPC : clients["Connect, JSON"];
  }

  async kill(): Promise<void> {
    if (killsLeft === 0) return;
    killsLeft -= 1;
    const [httpPort, grpcPort] = [new URL(api.httpUrl).port, api.grpcAddress.split(":")[1]].map(Number);
    clients.close();
    await api.kill();
    api = await startApi({ databaseUrl: database.url, httpPort: httpPort!, grpcPort: grpcPort! });
    await api.ready();
    clients = clientsOf(api);
  }
}

type Command = fc.AsyncCommand<TaskModel, Real>;

function command(name: string, values: object, run: (model: TaskModel, real: Real) => Promise<void>): Command {
  return {
    check: () => true,
    run: async (model, real) => {
      callCount += 1;
      await run(model, real);
    },
    toString: () => `${name}(${JSON.stringify(values)})`,
  };
}

const names = ["a", "A", "a ", "b%", "b_", "ä", "c c", "🚀"];
const name = fc.constantFrom(...names);
const scheduledTimeMs = fc.integer({ min: 0, max: 3 }).map((index) => FAR_MS + index * 1000);
const recurrence = fc.integer({ min: 0, max: 7 });
const description = fc.constantFrom("", "d", "it's");
const labels = fc.dictionary(fc.constantFrom("k", "__proto__", "x/y"), fc.constantFrom("1", "2", ""), { maxKeys: 2 });
const task = fc.record({ name, scheduledTimeMs, recurrence, description, labels });
const pick = fc.nat({ max: 1_000 });
const via = fc.nat({ max: 1 });
const validateOnly = fc.integer({ min: 0, max: 5 }).map((number) => number === 0);
const requestId = fc.option(fc.uuid({ version: 4 }), { nil: "", freq: 2 });
const etag = fc.constantFrom<"none" | "current" | "stale">("none", "none", "current", "stale");

function etagOf(current: ModelTask | undefined, kind: "none" | "current" | "stale"): string {
  if (kind === "none" || current === undefined) return "";
  return kind === "current" ? current.etag : "1-999999";
}

function remember(
  real: Real,
  method: UnaryName,
  request: { requestId: string; validateOnly: boolean },
  answer: unknown,
) {
  if (request.requestId !== "" && !request.validateOnly) real.answered.push({ method, request, answer });
}

/** Sent over another client, an id of an earlier request would be that request; each run has its own. */
function freshId(seen: Real, id: string): string {
  return seen.answered.some(({ request }) => request.requestId === id) ? randomUUID() : id;
}

async function refused(call: Promise<unknown>, reason: string): Promise<void> {
  expect((await faultOf(call)).reason).toBe(reason);
}

function created(draft: Required<Draft>, answer: ModelTask): ModelTask {
  return { ...draft, id: answer.id, pauseReason: undefined, etag: answer.etag };
}

const create = fc.record({ task, via, validateOnly, requestId }).map((values) =>
  command("create", values, async (model, real) => {
    const request = { ...values, task: initOf(values.task), requestId: freshId(real, values.requestId) };
    const call = real.client(values.via).call("createTask", request);
    if (model.isTaken(values.task.name)) return refused(call, "TASK_NAME_TAKEN");
    const answer = await call;
    const shown = modelOf(answer.task);
    expect(shown).toEqual(created(values.task, shown));
    if (values.validateOnly) return;
    expect(Math.max(...model.tasks.keys(), 0)).toBeLessThan(shown.id);
    model.tasks.set(shown.id, shown);
    remember(real, "createTask", request, answer);
  }),
);

const batch = fc
  .record({ tasks: fc.array(task, { minLength: 1, maxLength: 4 }), via, validateOnly, requestId })
  .map((values) =>
    command("batch", values, async (model, real) => {
      const request = { ...values, tasks: values.tasks.map(initOf), requestId: freshId(real, values.requestId) };
      const answer = await real.client(values.via).call("batchCreateTasks", request);
      expect(answer.results.length).toBe(values.tasks.length);
      const taken = new Set<string>();
      for (const [index, draft] of values.tasks.entries()) {
        const result = answer.results[index]?.result;
        const isTaken = model.isTaken(draft.name) || taken.has(draft.name);
        expect(result?.case).toBe(isTaken ? "error" : "task");
        if (result?.case !== "task") continue;
        taken.add(draft.name);
        const shown = modelOf(result.value);
        expect(shown).toEqual(created(draft, shown));
        if (!values.validateOnly) model.tasks.set(shown.id, shown);
      }
      remember(real, "batchCreateTasks", request, answer);
    }),
  );

const get = fc.record({ pick, via }).map((values) =>
  command("get", values, async (model, real) => {
    const current = model.pick(values.pick);
    const call = real.client(values.via).call("getTask", { id: current?.id ?? MISSING_ID });
    if (current === undefined) return refused(call, "TASK_NOT_FOUND");
    expect(modelOf((await call).task)).toEqual(current);
  }),
);

const orderBy = fc.constantFrom(
  "",
  "id desc",
  "name",
  "name desc",
  "next_run_time",
  "next_run_time desc",
  "create_time",
);
const filter = fc.record(
  {
    isPaused: fc.boolean(),
    nameContains: fc.constantFrom("a", "%", "_", " ", "Ä", "🚀"),
    labels: fc.dictionary(fc.constantFrom("k", "__proto__"), fc.constantFrom("1", ""), { maxKeys: 1 }),
  },
  { requiredKeys: [] },
);
const list = fc.record({ filter, orderBy, pageSize: fc.integer({ min: 1, max: 5 }), via }).map((values) =>
  command("list", values, async (model, real) => {
    const { isPaused, nameContains = "", labels: labelFilter = {} } = values.filter;
    const states = isPaused === undefined ? [] : [isPaused ? TaskState.PAUSED : TaskState.ACTIVE];
    const request = { states, nameContains, labelFilter, orderBy: values.orderBy, pageSize: values.pageSize };
    const expected = model.list(values.filter).sort(compareBy(values.orderBy));
    const sizes: number[] = [];
    let turn = values.via;
    const found = await walkPages(async (pageToken) => {
      turn += 1;
      const page = await real.client(turn).call("listTasks", { ...request, pageToken, countTotal: true });
      sizes.push(page.totalSize);
      return { items: page.tasks.map(modelOf), nextPageToken: page.nextPageToken };
    });
    // Tasks of one batch were created at one time, in the order of their ids.
    expect(found).toEqual(expected);
    expect(new Set(sizes)).toEqual(new Set([expected.length]));
  }),
);

const mask = fc.oneof(
  { weight: 2, arbitrary: fc.constant<(MaskField | "*")[]>([]) },
  { weight: 1, arbitrary: fc.constant<(MaskField | "*")[]>(["*"]) },
  { weight: 4, arbitrary: fc.subarray<MaskField | "*">([...MASK_FIELDS], { minLength: 1 }) },
);
const draft = fc.record({ name, scheduledTimeMs, recurrence, description, labels }, { requiredKeys: [] });
const update = fc.record({ pick, draft, mask, etag, via, validateOnly, requestId }).map((values) =>
  command("update", values, async (model, real) => {
    const current = model.pick(values.pick);
    const request = {
      task: { ...initOf(values.draft), id: current?.id ?? MISSING_ID, etag: etagOf(current, values.etag) },
      updateMask: { paths: [...values.mask] },
      validateOnly: values.validateOnly,
      requestId: freshId(real, values.requestId),
    };
    const call = real.client(values.via).call("updateTask", request);
    if (current === undefined) return refused(call, "TASK_NOT_FOUND");
    if (values.etag === "stale") return refused(call, "ETAG_MISMATCH");
    const next = updated(current, values.draft, values.mask);
    if (next === undefined) return refused(call, "INVALID_FIELD");
    if (model.isTaken(next.name, current.id)) return refused(call, "TASK_NAME_TAKEN");
    const answer = await call;
    const shown = modelOf(answer.task);
    expect(shown).toEqual({ ...next, etag: shown.etag });
    expect(shown.etag === current.etag).toBe(isSame(next, current));
    if (values.validateOnly) return;
    model.tasks.set(shown.id, shown);
    remember(real, "updateTask", request, answer);
  }),
);

const pause = fc.record({ pick, reason: fc.constantFrom("", "why", "'"), via, validateOnly, requestId }).map((values) =>
  command("pause", values, async (model, real) => {
    const current = model.pick(values.pick);
    const { reason } = values;
    const request = { ...values, id: current?.id ?? MISSING_ID, requestId: freshId(real, values.requestId) };
    const call = real.client(values.via).call("pauseTask", request);
    if (current === undefined) return refused(call, "TASK_NOT_FOUND");
    const answer = await call;
    const shown = modelOf(answer.task);
    // A paused task that is paused again without a reason keeps the one that it has.
    const next = { ...current, pauseReason: reason === "" ? (current.pauseReason ?? "") : reason };
    expect(shown).toEqual({ ...next, etag: shown.etag });
    expect(shown.etag === current.etag).toBe(isSame(next, current));
    expect(answer.task?.state).toBe(TaskState.PAUSED);
    if (values.validateOnly) return;
    model.tasks.set(shown.id, shown);
    remember(real, "pauseTask", request, answer);
  }),
);

const resume = fc.record({ pick, via, validateOnly, requestId }).map((values) =>
  command("resume", values, async (model, real) => {
    const current = model.pick(values.pick);
    const request = { ...values, id: current?.id ?? MISSING_ID, requestId: freshId(real, values.requestId) };
    const call = real.client(values.via).call("resumeTask", request);
    if (current === undefined) return refused(call, "TASK_NOT_FOUND");
    const answer = await call;
    const shown = modelOf(answer.task);
    const next = { ...current, pauseReason: undefined };
    expect(shown).toEqual({ ...next, etag: shown.etag });
    expect(shown.etag === current.etag).toBe(isSame(next, current));
    if (values.validateOnly) return;
    model.tasks.set(shown.id, shown);
    remember(real, "resumeTask", request, answer);
  }),
);

const remove = fc.record({ pick, etag, via, validateOnly, requestId }).map((values) =>
  command("delete", values, async (model, real) => {
    const current = model.pick(values.pick);
    const request = {
      id: current?.id ?? MISSING_ID,
      etag: etagOf(current, values.etag),
      validateOnly: values.validateOnly,
      requestId: freshId(real, values.requestId),
    };
    const call = real.client(values.via).call("deleteTask", request);
    if (current === undefined) return refused(call, "TASK_NOT_FOUND");
    if (values.etag === "stale") return refused(call, "ETAG_MISMATCH");
    const answer = await call;
    expect(modelOf(answer.task)).toEqual(current);
    if (values.validateOnly) return;
    model.delete(current.id);
    remember(real, "deleteTask", request, answer);
  }),
);

const run = fc.record({ pick, via, validateOnly, requestId }).map((values) =>
  command("run", values, async (model, real) => {
    const current = model.pick(values.pick);
    const request = { ...values, id: current?.id ?? MISSING_ID, requestId: freshId(real, values.requestId) };
    const call = real.client(values.via).call("runTask", request);
    if (current === undefined) return refused(call, "TASK_NOT_FOUND");
    const answer = await call;
    const { execution } = answer;
    expect(execution).toMatchObject({ taskId: current.id, taskName: current.name, state: ExecutionState.PENDING });
    expect(model.executions.has(execution!.id)).toBe(false);
    if (values.validateOnly) return;
    model.executions.set(execution!.id, { taskId: current.id, state: "PENDING" });
    remember(real, "runTask", request, answer);
  }),
);

const executions = fc.record({ via, pageSize: fc.integer({ min: 1, max: 5 }) }).map((values) =>
  command("executions", values, async (model, real) => {
    const { call } = real.client(values.via);
    const found = await walkPages(async (pageToken) => {
      const page = await call("listExecutions", { pageSize: values.pageSize, pageToken });
      return { items: page.executions, nextPageToken: page.nextPageToken };
    });
    const states = found.map(({ id, taskId, state }) => [id, { taskId, state: ExecutionState[state] }]);
    expect(states.sort()).toEqual([...model.executions].sort());
  }),
);

const repeat = fc.record({ pick, via, isOther: fc.boolean() }).map((values) =>
  command("repeat", values, async (_, real) => {
    const earlier = real.answered[values.pick % (real.answered.length || 1)];
    if (earlier === undefined) return;
    const { call } = real.client(values.via);
    // Case means nothing in a UUID.
    const again = { ...earlier.request, requestId: earlier.request.requestId.toUpperCase() };
    if (!values.isOther) expect(await call(earlier.method, again as never)).toEqual(earlier.answer);
    else await refused(call("runTask", { id: MISSING_ID - 1, requestId: again.requestId }), "REQUEST_ID_REUSED");
  }),
);

const kill = fc.constant(command("kill", {}, (_, real) => real.kill()));

const commands = [
  ...[create, create, create, batch, get, list, list, update, update, update],
  ...[pause, resume, remove, run, executions, repeat, repeat, kill],
];

test(`${RUNS} runs of up to ${COMMANDS} random calls do what the model does`, async () => {
  const { seed } = createRandom("model");
  const property = fc.asyncProperty(fc.commands(commands, { maxCommands: COMMANDS, size: "max" }), async (calls) => {
    for (const table of ["tasks", "executions", "requests"]) await connection.query(`DELETE FROM ${table}`);
    const model = new TaskModel();
    const real = new Real();
    await fc.asyncModelRun(() => ({ model, real }), calls);
    const all = await real.client(0).call("listTasks", { pageSize: 1000 });
    expect(all.tasks.map(modelOf)).toEqual([...model.tasks.values()].sort(compareBy("id")));
  });
  await fc.assert(property, { seed, numRuns: RUNS, interruptAfterTimeLimit: TIME_LIMIT_MS });
  process.stderr.write(`model: ${callCount} calls, ${KILLS - killsLeft} kills\n`);
  expect(callCount).toBeGreaterThan(MIN_CALLS);
  expect(killsLeft).toBeLessThan(KILLS);
  expect(api.output()).not.toMatch(/internal error/);
});
