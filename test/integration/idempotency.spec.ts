import { randomUUID } from "node:crypto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Recurrence, type Task, type TaskSchema, TaskService, TaskState } from "@taskscheduler/proto";
import { type ApiProcess, startApi } from "../setup/processes.js";
import { type ApiClients, type ApiFixture, at, CLIENTS, clientsOf, faultOf, startApiFixture } from "./api-fixture.js";

let fixture: ApiFixture;
let secondApi: ApiProcess;
let secondClients: ApiClients;

beforeAll(async () => {
  fixture = await startApiFixture();
  secondApi = await startApi({ databaseUrl: fixture.database.url });
  await secondApi.ready();
  secondClients = clientsOf(secondApi);
});
afterAll(async () => {
  secondClients?.close();
  await secondApi?.stop();
  await fixture?.stop();
});

const later = at("2100-01-31T09:30:00Z");

async function created(): Promise<Task> {
  const task = { name: randomUUID(), scheduledTime: later, labels: { b: "2", a: "1", "10": "x" } };
  return (await fixture.client.call("createTask", { task })).task!;
}

const MUTATIONS = [
  "createTask",
  "batchCreateTasks",
  "updateTask",
  "pauseTask",
  "resumeTask",
  "runTask",
  "deleteTask",
] as const;
type Mutation = (typeof MUTATIONS)[number];

/** A request of each kind on a task that bears it, without its `request_id`; and the same with another content. */
function requestsOf(task: Task): Record<Mutation, readonly [object, object]> {
  const wish = { name: randomUUID(), scheduledTime: later, labels: { z: "1", a: "2" }, recurrence: Recurrence.DAILY };
  const { id } = task;
  const paths = { paths: ["description"] };
  return {
    createTask: [{ task: wish }, { task: { ...wish, labels: { ...wish.labels, z: "2" } } }],
    batchCreateTasks: [{ tasks: [wish, {}, wish] }, { tasks: [wish, {}] }],
    updateTask: [
      { task: { id, description: "after", etag: task.etag }, updateMask: paths },
      { task: { id, description: "another", etag: task.etag }, updateMask: paths },
    ],
    pauseTask: [
      { id, reason: "r" },
      { id, reason: "s" },
    ],
    resumeTask: [{ id }, { id: id + 1 }],
    runTask: [{ id }, { id: id + 1 }],
    deleteTask: [{ id, etag: task.etag }, { id }],
  };
}

/** The answer's bytes as they come over the wire. */
async function post(method: Mutation, request: object, httpUrl = fixture.api.httpUrl): Promise<string> {
  const { input, name } = TaskService.method[method];
  const response = await fetch(`${httpUrl}/${TaskService.typeName}/${name}`, {
    method: "POST",
    headers: { "content-type": "application/proto" },
    body: toBinary(input, create(input as typeof TaskService.method.createTask.input, request)),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  if (response.status !== 200) throw new Error(bytes.toString());
  return bytes.toString("hex");
}

async function counts(): Promise<Record<string, unknown> | undefined> {
  const [row] = await fixture.query(
    `SELECT (SELECT COUNT(*) FROM tasks) AS tasks, (SELECT COUNT(*) FROM executions) AS executions,
       (SELECT COUNT(*) FROM requests) AS requests, (SELECT COUNT(*) FROM changes) AS changes,
       (SELECT revision FROM change_counter) AS revision, (SELECT COALESCE(SUM(version), 0) FROM tasks) AS versions`,
  );
  return row;
}

async function ready(method: Mutation): Promise<Task> {
  const task = await created();
  if (method === "resumeTask") await fixture.client.call("pauseTask", { id: task.id });
  return task;
}

describe.each(MUTATIONS)("%s", (method) => {
  it("sent again gives the first answer, byte for byte, whatever has happened since", async () => {
    const task = await ready(method);
    const request = { ...requestsOf(task)[method][0], requestId: randomUUID() };
    const first = await post(method, request);
    const before = await counts();
    expect(await post(method, request)).toBe(first);
    expect(await post(method, { ...request, requestId: request.requestId.toUpperCase() })).toBe(first);
    expect(await post(method, request, secondApi.httpUrl)).toBe(first);
    expect(await counts()).toEqual(before);

    if (method !== "deleteTask") {
      await fixture.client.call("updateTask", { task: { id: task.id, description: randomUUID() } });
      expect(await post(method, request)).toBe(first);
      await fixture.client.call("deleteTask", { id: task.id });
      expect(await post(method, request)).toBe(first);
    }
    expect(first.length).toBeGreaterThan(20);
  });

  it("is refused with another content, by every client", async () => {
    const task = await ready(method);
    const [request, other] = requestsOf(task)[method];
    const requestId = randomUUID();
    await fixture.client.call(method, { ...request, requestId } as never);
    for (const name of CLIENTS) {
      const fault = await faultOf(fixture.clients[name].call(method, { ...other, requestId } as never));
      expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "REQUEST_ID_REUSED", fields: ["request_id"] });
    }
    const others = MUTATIONS.filter((each) => each !== method);
    const foreign = others[MUTATIONS.indexOf(method) % others.length]!;
    const anotherTask = await ready(foreign);
    const fault = await faultOf(
      fixture.client.call(foreign, { ...requestsOf(anotherTask)[foreign][0], requestId } as never),
    );
    expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "REQUEST_ID_REUSED" });
  });

  it("sent 20 times at once, to two processes and over all protocols, is done once", async () => {
    for (let round = 0; round < 5; round += 1) {
      const task = await ready(method);
      const request = { ...requestsOf(task)[method][0], requestId: randomUUID() };
      const before = await counts();
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) => {
          const clients = index % 2 === 0 ? fixture.clients : secondClients;
          return clients[CLIENTS[Math.floor(index / 2) % CLIENTS.length]!].call(method, request as never);
        }),
      );
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      const after = await counts();
      expect(Number(after?.["requests"])).toBe(Number(before?.["requests"]) + 1);
      expect(Number(after?.["revision"])).toBe(Number(before?.["revision"]) + 1);
    }
  });

  it("with validate_only answers, changes nothing and remembers nothing", async () => {
    const task = await ready(method);
    const request = { ...requestsOf(task)[method][0], requestId: randomUUID() };
    const before = await counts();
    const { task: asItWas } = await fixture.client.call("getTask", { id: task.id });
    for (const name of CLIENTS) await fixture.clients[name].call(method, { ...request, validateOnly: true } as never);
    expect(await counts()).toEqual(before);
    expect((await fixture.client.call("getTask", { id: task.id })).task).toEqual(asItWas);
    await fixture.client.call(method, request as never);
    expect(Number((await counts())?.["revision"])).toBe(Number(before?.["revision"]) + 1);
  });

  it.each([
    "x",
    "0190f1f0-0000-7000-8000-00000000000",
    "{0190f1f0-0000-7000-8000-000000000000}",
    "urn:uuid:0190f1f0-0000-7000-8000-000000000000",
    "0190f1f0000070008000000000000000",
    "0190f1f0-0000-7000-8000-00000000000g",
  ])("takes no request_id such as %s", async (requestId) => {
    const fault = await faultOf(
      fixture.client.call(method, { ...requestsOf(await created())[method][0], requestId } as never),
    );
    expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields: ["request_id"] });
  });
});

describe("validate_only", () => {
  it("refuses what the real thing would", async () => {
    const task = await created();
    const validateOnly = true;
    const { id, name } = task;
    const refused = async (method: Mutation, request: object) =>
      (await faultOf(fixture.client.call(method, { ...request, validateOnly } as never))).reason;
    expect(await refused("createTask", { task: { name, scheduledTime: later } })).toBe("TASK_NAME_TAKEN");
    expect(await refused("createTask", { task: { name: "x" } })).toBe("INVALID_FIELD");
    expect(await refused("updateTask", { task: { id, etag: "no", description: "x" } })).toBe("ETAG_MISMATCH");
    expect(await refused("deleteTask", { id, etag: "no" })).toBe("ETAG_MISMATCH");
    for (const method of ["pauseTask", "resumeTask", "runTask", "deleteTask"] as const) {
      expect(await refused(method, { id: 2_000_000_000 })).toBe("TASK_NOT_FOUND");
    }
  });

  it("says what the task would become", async () => {
    const { id, name } = await created();
    const validateOnly = true;
    const paused = await fixture.client.call("pauseTask", { id, reason: "r", validateOnly });
    expect(paused.task).toMatchObject({ id, state: TaskState.PAUSED, pauseReason: "r" });
    const updated = await fixture.client.call("updateTask", { task: { id, description: "would" }, validateOnly });
    expect(updated.task).toMatchObject({ id, name, description: "would" });
    const wish = { name: randomUUID(), scheduledTime: later };
    const { task } = await fixture.client.call("createTask", { task: wish, validateOnly });
    expect(task).toMatchObject({ id: 0, name: wish.name, state: TaskState.ACTIVE, nextRunTime: later });
  });
});

describe("errors", () => {
  it("are not remembered", async () => {
    const taker = await created();
    const task: MessageInitShape<typeof TaskSchema> = { name: taker.name, scheduledTime: later };
    const request = { task, requestId: randomUUID() };
    expect(await faultOf(fixture.client.call("createTask", request))).toMatchObject({ code: "ALREADY_EXISTS" });
    await fixture.client.call("deleteTask", { id: taker.id });
    const { task: made } = await fixture.client.call("createTask", request);
    expect(made?.id).toBeGreaterThan(taker.id);
    expect((await fixture.client.call("createTask", request)).task).toEqual(made);
  });

  it("of a batch's tasks are part of its answer, and are", async () => {
    const taker = await created();
    const request = { tasks: [{ name: taker.name, scheduledTime: later }], requestId: randomUUID() };
    const first = await post("batchCreateTasks", request);
    await fixture.client.call("deleteTask", { id: taker.id });
    expect(await post("batchCreateTasks", request)).toBe(first);
  });
});

it("tells two requests apart by their maps' content, not by its order", async () => {
  const requestId = randomUUID();
  const wish = { name: randomUUID(), scheduledTime: later };
  const { task } = await fixture.client.call("createTask", {
    task: { ...wish, labels: { a: "1", b: "2" } },
    requestId,
  });
  const again = await fixture.client.call("createTask", { task: { ...wish, labels: { b: "2", a: "1" } }, requestId });
  expect(again.task).toEqual(task);
});
