import { randomUUID } from "node:crypto";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Metadata } from "@grpc/grpc-js";
import { ExecutionState, type Task, TaskService } from "@taskscheduler/proto";
import { grpcClient } from "../setup/clients.js";
import { eventually } from "../setup/eventually.js";
import { startScheduler } from "../setup/processes.js";
import { type Receiver, startReceiver } from "../setup/receiver.js";
import { type ApiFixture, at, CLIENTS, faultOf, startApiFixture } from "./api-fixture.js";

/**
 * Names that every object of JavaScript has. Users may call a label or a header so: it arrives, or is refused by its
 * field, and is never lost or found where nobody put it.
 */
const KEYS = ["__proto__", "constructor", "toString", "hasOwnProperty", "__defineGetter__"];
const FAR = at("2100-01-01T00:00:00Z");

/** Unlike a literal, this makes `__proto__` a property. */
const objectOf = (value: string, keys = KEYS): Record<string, string> =>
  Object.fromEntries(keys.map((key) => [key, value]));

let fixture: ApiFixture;
let receiver: Receiver;

beforeAll(async () => {
  [fixture, receiver] = await Promise.all([startApiFixture(), startReceiver()]);
});
afterAll(async () => {
  await receiver?.close();
  await fixture?.stop();
});

const post = async (path: string, body: string) => {
  const headers = { "content-type": "application/json" };
  const response = await fetch(fixture.api.httpUrl + path, { method: "POST", headers, body });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
const callJson = (method: string, body: string) => post(`/taskscheduler.v1.TaskService/${method}`, body);

describe.each(CLIENTS)("%s", (name) => {
  const client = () => fixture.clients[name];

  it("keeps, finds and streams labels and headers of such names", async () => {
    const [value, other] = [randomUUID(), randomUUID()];
    const create = async (labels: Task["labels"]) => {
      const webhook = { url: "https://example.com/", headers: objectOf("h") };
      const task = { name: randomUUID(), scheduledTime: FAR, labels, webhook };
      return (await client().call("createTask", { task })).task!;
    };
    const watch = client().watch("watchTasks", { labelFilter: objectOf(value) });
    await watch.until("the snapshot is complete", (events) =>
      events.some(({ event }) => event.case === "snapshotComplete"),
    );
    const task = await create(objectOf(value));
    await create({ plain: value });
    await create(objectOf(other));
    expect(Object.entries(task.labels).sort()).toEqual(Object.entries(objectOf(value)).sort());

    const read = (await client().call("getTask", { id: task.id })).task!;
    expect(Object.entries(read.labels).sort()).toEqual(Object.entries(objectOf(value)).sort());
    expect(Object.entries(read.webhook!.headers).sort()).toEqual(Object.entries(objectOf("h")).sort());
    for (const key of KEYS) {
      const found = await client().call("listTasks", { labelFilter: objectOf(value, [key]), countTotal: true });
      expect([found.tasks.map(({ id }) => id), found.totalSize]).toEqual([[task.id], 1]);
      for (const absent of ["", "[object Object]"]) {
        expect((await client().call("listTasks", { labelFilter: objectOf(absent, [key]) })).tasks).toEqual([]);
      }
    }

    const { task: changed } = await client().call("updateTask", {
      task: { id: task.id, labels: objectOf(other, ["__proto__"]) },
    });
    expect(Object.entries(changed!.labels)).toEqual([["__proto__", other]]);
    const events = await watch.until("the task has left the filter", (all) =>
      all.some(({ event }) => event.case === "deleted") ? all : undefined,
    );
    watch.cancel();
    const told = events.flatMap(({ event }) =>
      event.case === "upserted" || event.case === "deleted" ? [[event.case, event.value.id]] : [],
    );
    expect(told).toEqual([
      ["upserted", task.id],
      ["deleted", task.id],
    ]);
  });

  it.each(KEYS)("refuses %s by its field where only known names are right", async (key) => {
    const task = { name: randomUUID(), scheduledTime: FAR };
    for (const [request, field] of [
      [{ task: { ...task, timeZone: key } }, "task.time_zone"],
      [{ task: { ...task, webhook: { url: "https://example.com/", method: key } } }, "task.webhook.method"],
      [{ task: { ...task, webhook: { url: "https://example.com/", body: `{{${key}}}` } } }, "task.webhook.body"],
    ] as const) {
      expect(await faultOf(client().call("createTask", request))).toMatchObject({
        code: "INVALID_ARGUMENT",
        fields: [field],
      });
    }
    expect(await faultOf(client().call("listTasks", { orderBy: key }))).toMatchObject({ fields: ["order_by"] });
    expect(await faultOf(client().call("listTasks", { pageToken: key }))).toMatchObject({ fields: ["page_token"] });
  });

  it("tells requests of such labels apart by what they hold", async () => {
    const requestId = randomUUID();
    const request = (value: string) => ({
      task: { name: `once ${requestId}`, scheduledTime: FAR, labels: objectOf(value, ["__proto__"]) },
      requestId,
    });
    const first = await client().call("createTask", request("a"));
    expect((await client().call("createTask", request("a"))).task!.id).toBe(first.task!.id);
    expect(await faultOf(client().call("createTask", request("b")))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("JSON", () => {
  it.each(KEYS)("is refused by its field where it has one named %s", async (key) => {
    const text = JSON.stringify(key);
    for (const [body, field] of [
      [`{${text}: {"name": "x"}}`, key],
      [`{"task": {${text}: {"name": "x"}, "scheduledTime": "2100-01-01T00:00:00Z"}}`, `task.${key}`],
      [`{"task": {"name": "x", "recurrence": ${text}}}`, "task.recurrence"],
      [`{"task": {"name": "x", "labels": {${text}: 1}}}`, "task.labels"],
      [`{"task": {"name": "x", "labels": {${text}: "a", ${text}: "b"}}}`, "task.labels"],
    ] as const) {
      const answer = await callJson("CreateTask", body);
      expect(answer).toMatchObject({ status: 400, body: { code: "invalid_argument" } });
      expect(JSON.stringify(answer.body)).toContain(JSON.stringify(field));
    }
    expect(await callJson("ListTasks", `{"states": [${text}]}`)).toMatchObject({ status: 400 });
    expect(await callJson("UpdateTask", `{"task": {"id": 1}, "updateMask": ${text}}`)).toMatchObject({ status: 400 });
  });

  it.each(KEYS)("of REST has nothing by a field named %s", async (key) => {
    const own = `${JSON.stringify(key)}: {"name": "x", "scheduled_time": "2100-01-01T00:00:00Z"}`;
    const missing = await post("/api/tasks/", `{${own}}`);
    expect(missing).toMatchObject({ status: 422, body: { detail: [{ type: "missing" }, { type: "missing" }] } });
    const name = randomUUID();
    const created = await post("/api/tasks/", `{${own}, "name": "${name}", "scheduled_time": "2100-01-01T00:00:00"}`);
    expect(created).toMatchObject({ status: 200, body: { name } });
    const recurrence = await post(
      "/api/tasks/",
      `{"name": "x", "scheduled_time": "2100-01-01", "recurrence": "${key}"}`,
    );
    expect(recurrence).toMatchObject({ status: 422 });
    const list = await fetch(`${fixture.api.httpUrl}/api/tasks/?limit=1&${key}=7`);
    expect([list.status, ((await list.json()) as unknown[]).length]).toEqual([200, 1]);
    expect((await fetch(`${fixture.api.httpUrl}/api/tasks/${key}`)).status).toBe(422);
  });
});

it.each(KEYS)("no method and no path is named %s", async (key) => {
  expect(await callJson(key, "{}")).toMatchObject({ status: 404, body: { code: "unimplemented" } });
  for (const path of [`/${key}`, `/${key}/CreateTask`, `/api/${key}`]) {
    expect((await fetch(fixture.api.httpUrl + path)).status).toBe(404);
  }
});

it("metadata and headers of such names are passed over", async () => {
  const client = grpcClient(TaskService, fixture.api.grpcAddress);
  const metadata = new Metadata();
  for (const key of KEYS) metadata.set(key.toLowerCase(), "x");
  expect((await client.unary("listTasks", { pageSize: 1 }, { metadata })).tasks).toHaveLength(1);
  client.close();
  const headers = { "content-type": "application/json", ...objectOf("x") };
  const url = `${fixture.api.httpUrl}/taskscheduler.v1.TaskService/ListTasks`;
  const response = await fetch(url, { method: "POST", headers: Object.entries(headers), body: "{}" });
  expect(response.status).toBe(200);
});

it("a webhook's headers of such names arrive", async () => {
  const scheduler = await startScheduler({
    apiAddress: fixture.api.grpcAddress,
    env: { TARGET_ALLOW_CIDRS: "127.0.0.1/32" },
  });
  await scheduler.ready();
  const webhook = { url: `${receiver.url}/headers`, headers: objectOf("mine") };
  const { task } = await fixture.client.call("createTask", {
    task: { name: randomUUID(), scheduledTime: timestampFromMs(Date.now()), webhook },
  });
  await eventually("the task has run", async () => {
    const { executions } = await fixture.client.call("listExecutions", { taskId: task!.id });
    return executions[0]?.state === ExecutionState.SUCCEEDED;
  });
  const { rawHeaders } = receiver.requestsOf("/headers")[0]!;
  for (const key of KEYS) {
    expect(rawHeaders[rawHeaders.indexOf(key.toLowerCase()) + 1]).toBe("mine");
  }
  await scheduler.stop();
});
