import { randomUUID } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import {
  DstPolicy,
  ExecutionState,
  ExecutionTrigger,
  MisfirePolicy,
  OverlapPolicy,
  Recurrence,
  type Task,
  TaskSchema,
  TaskState,
} from "@taskscheduler/proto";
import { type ApiFixture, at, CLIENTS, faultOf, startApiFixture, type TaskInit, textOf } from "./api-fixture.js";

let fixture: ApiFixture;

beforeAll(async () => {
  fixture = await startApiFixture();
});
afterAll(() => fixture?.stop());

const later = at("2100-01-31T09:30:00Z");
const unique = (prefix: string) => `${prefix} ${randomUUID()}`;

async function created(init: TaskInit = {}): Promise<Task> {
  const task = { name: unique("task"), scheduledTime: later, ...init };
  return (await fixture.client.call("createTask", { task })).task!;
}

async function read(id: number): Promise<Task> {
  return (await fixture.client.call("getTask", { id })).task!;
}

/** The bytes of two equal messages are equal, whatever way they came. */
const bytesOf = (task: Task | undefined) => Buffer.from(toBinary(TaskSchema, task!)).toString("hex");

describe.each(CLIENTS)("%s", (name) => {
  const client = () => fixture.clients[name];

  it("creates a task with every field that users set, and reads it", async () => {
    const wish = {
      name: unique("Täglich “all” 🚀"),
      scheduledTime: at("2100-01-31T09:30:00.123Z"),
      recurrence: Recurrence.MONTHLY,
      timeZone: "europe/berlin",
      description: "line one\nline two\t\\ 'quoted' \"twice\" \u0000 end",
      labels: { env: "prod", "a.b/c-d_e": "ü '\"\\ 🚀", empty: "" },
    };
    const { task } = await client().call("createTask", { task: wish });
    expect(task).toMatchObject({ ...wish, timeZone: "Europe/Berlin", state: TaskState.ACTIVE, runCount: 0 });
    expect(task).toMatchObject({ pauseReason: "", nextRunTime: wish.scheduledTime });
    expect(task?.id).toBeGreaterThan(0);
    expect(task?.etag).not.toBe("");
    expect(task?.lastExecution).toBeUndefined();
    const ageMs = Date.now() - Number(task?.createTime?.seconds) * 1000;
    expect(Math.abs(ageMs)).toBeLessThan(10_000);
    expect(task?.updateTime).toEqual(task?.createTime);
    expect(bytesOf((await client().call("getTask", { id: task!.id })).task)).toBe(bytesOf(task));
  });

  it("changes, pauses, resumes, runs and deletes a task", async () => {
    const first = (await client().call("createTask", { task: { name: unique("life"), scheduledTime: later } })).task!;
    const { id } = first;

    const updated = (await client().call("updateTask", { task: { id, description: "new", etag: first.etag } })).task!;
    expect(updated).toMatchObject({ name: first.name, description: "new" });
    expect(updated.etag).not.toBe(first.etag);

    const paused = (await client().call("pauseTask", { id, reason: "the river is high" })).task!;
    expect(paused).toMatchObject({ state: TaskState.PAUSED, pauseReason: "the river is high" });
    expect(paused.nextRunTime).toBeUndefined();

    const { execution } = await client().call("runTask", { id });
    expect(execution).toMatchObject({ taskId: id, taskName: first.name, attempt: 0, schedulerId: "" });
    expect(execution).toMatchObject({ state: ExecutionState.PENDING, trigger: ExecutionTrigger.MANUAL });
    const got = await client().call("getExecution", { id: execution!.id });
    expect(got.execution).toEqual(execution);
    expect(bytesOf(await read(id))).toBe(bytesOf(paused));

    const resumed = (await client().call("resumeTask", { id })).task!;
    expect(resumed).toMatchObject({ state: TaskState.ACTIVE, pauseReason: "", nextRunTime: later });

    const deleted = (await client().call("deleteTask", { id, etag: resumed.etag })).task!;
    expect(bytesOf(deleted)).toBe(bytesOf(resumed));
    expect(await faultOf(client().call("getTask", { id }))).toMatchObject({ code: "NOT_FOUND" });
    const outlived = await client().call("getExecution", { id: execution!.id });
    expect(outlived.execution).toMatchObject({ taskName: first.name, state: ExecutionState.CANCELLED });
  });

  it.each([
    ["getTask", { id: 4_294_967_295 }, "TASK_NOT_FOUND"],
    ["updateTask", { task: { id: 4_294_967_295, description: "x" } }, "TASK_NOT_FOUND"],
    ["deleteTask", { id: 4_294_967_295 }, "TASK_NOT_FOUND"],
    ["pauseTask", { id: 4_294_967_295 }, "TASK_NOT_FOUND"],
    ["resumeTask", { id: 4_294_967_295 }, "TASK_NOT_FOUND"],
    ["runTask", { id: 4_294_967_295 }, "TASK_NOT_FOUND"],
    ["getExecution", { id: "4294967295.0" }, "EXECUTION_NOT_FOUND"],
    ["getExecution", { id: "' OR 1=1 --" }, "EXECUTION_NOT_FOUND"],
  ] as const)("says of %s %j that there is none", async (method, request, reason) => {
    expect(await faultOf(client().call(method, request as never))).toMatchObject({ code: "NOT_FOUND", reason });
  });
});

describe("create", () => {
  it("has defaults", async () => {
    expect(await created()).toMatchObject({ recurrence: Recurrence.UNSPECIFIED, timeZone: "UTC", description: "" });
    expect((await created({ recurrence: Recurrence.ONCE })).recurrence).toBe(Recurrence.ONCE);
  });

  it("ignores what is output only", async () => {
    const victim = await created();
    const task = await created({
      id: victim.id,
      state: TaskState.PAUSED,
      pauseReason: "no",
      nextRunTime: at("2101-01-01T00:00:00Z"),
      runCount: 7,
      lastExecution: (await fixture.client.call("runTask", { id: victim.id })).execution!,
      etag: "no",
      createTime: at("2000-01-01T00:00:00Z"),
      updateTime: at("2000-01-01T00:00:00Z"),
    });
    expect(task.id).not.toBe(victim.id);
    expect(task).toMatchObject({ state: TaskState.ACTIVE, pauseReason: "", nextRunTime: later, runCount: 0 });
    expect(task.lastExecution).toBeUndefined();
    expect(task.etag).not.toBe("no");
    expect(textOf(task.createTime)).not.toBe("2000-01-01T00:00:00Z");
  });

  it("takes a time that is past: once, it is due at once; recurring, it is the anchor", async () => {
    const past = at("2001-01-31T09:30:00Z");
    expect((await created({ scheduledTime: past })).nextRunTime).toEqual(past);
    const { nextRunTime } = await created({ scheduledTime: past, recurrence: Recurrence.DAILY });
    const nextMs = Number(nextRunTime?.seconds) * 1000;
    expect(textOf(nextRunTime)).toMatch(/T09:30:00Z$/);
    expect(nextMs).toBeGreaterThan(Date.now() - 5_000);
    expect(nextMs).toBeLessThan(Date.now() + 86_400_000);
  });

  it.each([
    ["2100-01-01T00:00:00.000000001Z", "2100-01-01T00:00:00.001Z"],
    ["2100-01-01T00:00:00.001Z", "2100-01-01T00:00:00.001Z"],
    ["2100-01-01T00:00:00.001000001Z", "2100-01-01T00:00:00.002Z"],
    ["2100-12-31T23:59:59.999999999Z", "2101-01-01T00:00:00Z"],
    ["1969-12-31T23:59:59.9999Z", "1970-01-01T00:00:00Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"],
    ["0001-01-01T00:00:00.000000001Z", "0001-01-01T00:00:00.001Z"],
    ["0099-03-01T12:00:00.5Z", "0099-03-01T12:00:00.500Z"],
    ["9999-12-31T23:59:59.998000001Z", "9999-12-31T23:59:59.999Z"],
    ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"],
  ])("keeps %s as %s", async (given, kept) => {
    const { id, scheduledTime } = await created({ scheduledTime: at(given) });
    const task = await read(id);
    expect([scheduledTime, task.scheduledTime, task.nextRunTime].map(textOf)).toEqual([kept, kept, kept]);
    const [row] = await fixture.query("SELECT scheduled_time FROM tasks WHERE id = ?", [id]);
    expect(Date.parse(`${String(row?.["scheduled_time"]).replace(" ", "T")}Z`)).toBe(Date.parse(kept));
  });

  it.each([
    ["beyond the last millisecond", { seconds: 253_402_300_799n, nanos: 999_000_001 }],
    ["beyond the year 9999", { seconds: 253_402_300_800n, nanos: 0 }],
    ["before the year 1", { seconds: -62_135_596_801n, nanos: 999_999_999 }],
    ["no time of this universe", { seconds: 9_223_372_036_854_775_807n, nanos: 0 }],
    ["of negative nanos", { seconds: 4_000_000_000n, nanos: -1 }],
    ["of a thousand million nanos", { seconds: 4_000_000_000n, nanos: 1_000_000_000 }],
  ])("refuses a time %s", async (_, time) => {
    const task = { name: unique("refused"), scheduledTime: create(TimestampSchema, time) };
    for (const name of ["gRPC", "Connect, binary", "gRPC-Web"] as const) {
      const fault = await faultOf(fixture.clients[name].call("createTask", { task }));
      expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD" });
      expect(fault.fields).toEqual(["task.scheduled_time"]);
    }
    const stored = await fixture.query("SELECT id FROM tasks WHERE name = ?", [task.name]);
    expect(stored).toEqual([]);
  });

  it.each([
    ["no name", { name: "" }, ["task.name"]],
    ["256 characters of a name", { name: "🚀".repeat(256) }, ["task.name"]],
    ["no time", { scheduledTime: undefined }, ["task.scheduled_time"]],
    ["an unknown zone", { timeZone: "Mars/Olympus" }, ["task.time_zone"]],
    ["an offset of another form", { timeZone: "+0530" }, ["task.time_zone"]],
    ["an unknown recurrence", { recurrence: 99 as Recurrence }, ["task.recurrence"]],
    ["a description that is too long", { description: "x".repeat(4097) }, ["task.description"]],
    ["a label's key with a space", { labels: { "a b": "c" } }, ["task.labels"]],
    ["a label's value that is too long", { labels: { a: "x".repeat(256) } }, ["task.labels"]],
    ["65 labels", { labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ""])) }, ["task.labels"]],
    ["several faults", { name: "", timeZone: "Mars/Olympus" }, ["task.name", "task.time_zone"]],
  ])("refuses %s", async (_, change, fields) => {
    const task = { name: unique("refused"), scheduledTime: later, ...change };
    const fault = await faultOf(fixture.client.call("createTask", { task: task as TaskInit }));
    expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields });
  });

  it("takes what is just within the limits", async () => {
    const wish = {
      name: [...unique("")].concat(Array(255).fill("🚀")).slice(0, 255).join(""),
      description: "ü".repeat(4096),
      labels: Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`${i}`.padEnd(63, "k"), "é".repeat(255)])),
    };
    const { id } = await created(wish);
    expect(await read(id)).toMatchObject(wish);
  });

  it("refuses text that is no Unicode", async () => {
    const scheduledTime = "2100-01-01T00:00:00Z";
    const response = await fetch(`${fixture.api.httpUrl}/taskscheduler.v1.TaskService/CreateTask`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `{"task":{"name":"half \\ud83d","scheduledTime":"${scheduledTime}"}}`,
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "invalid_argument" });
  });
});

describe("what later releases bring", () => {
  const duration = { seconds: 1n, nanos: 0 };
  const laterFields: readonly [string, Record<string, unknown>][] = [
    ["cron", { cron: "* * * * *" }],
    ["rrule", { rrule: "FREQ=DAILY" }],
    ["dst_policy", { dstPolicy: DstPolicy.SKIP }],
    ["misfire_policy", { misfirePolicy: MisfirePolicy.SKIP }],
    ["overlap_policy", { overlapPolicy: OverlapPolicy.ALLOW }],
    ["catch_up_window", { catchUpWindow: duration }],
    ["end_time", { endTime: later }],
    ["max_runs", { maxRuns: 1 }],
    ["jitter", { jitter: duration }],
  ];

  it.each(laterFields)("%s is refused in Create, Update and Update by mask", async (field, change) => {
    const { id } = await created();
    const before = bytesOf(await read(id));
    const task = { name: unique("later"), scheduledTime: later, ...change };
    const calls = [
      fixture.client.call("createTask", { task: task as TaskInit }),
      fixture.client.call("updateTask", { task: { id, ...change } as TaskInit }),
      fixture.client.call("updateTask", { task: { id }, updateMask: { paths: [field] } }),
      fixture.client.call("updateTask", { task: { id, ...change } as TaskInit, updateMask: { paths: ["*"] } }),
    ];
    for (const call of calls) {
      const fault = await faultOf(call);
      expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "NOT_SUPPORTED_YET", fields: [`task.${field}`] });
    }
    expect(bytesOf(await read(id))).toBe(before);
  });
});

describe("names", () => {
  it("are told apart byte for byte", async () => {
    const stem = randomUUID();
    const names = ["a", "A", "a ", " a", "á", "a\u0301", "a\u0000", "ß", "ss", "🚀", "🎉", "%", "_", "\\", "'"];
    const ids = new Set<number>();
    for (const name of names) ids.add((await created({ name: `${stem}${name}` })).id);
    expect(ids.size).toBe(names.length);
    for (const name of names) {
      const task = { name: `${stem}${name}`, scheduledTime: later };
      const fault = await faultOf(fixture.client.call("createTask", { task }));
      expect(fault).toMatchObject({ code: "ALREADY_EXISTS", reason: "TASK_NAME_TAKEN", fields: ["task.name"] });
    }
  });

  it("of deleted tasks are free, and ids are not given again", async () => {
    const first = await created();
    await fixture.client.call("deleteTask", { id: first.id });
    const second = await created({ name: first.name });
    expect(second.id).toBeGreaterThan(first.id);
  });

  it("of 20 tasks created at once exist once", async () => {
    const task = { name: unique("race"), scheduledTime: later };
    const calls = Array.from({ length: 20 }, () => fixture.client.call("createTask", { task }));
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === "rejected") expect(await faultOf(calls[index]!)).toMatchObject({ code: "ALREADY_EXISTS" });
    }
  });
});

describe("update", () => {
  const full = {
    recurrence: Recurrence.WEEKLY,
    timeZone: "Europe/Berlin",
    description: "before",
    labels: { a: "1", b: "2" },
  };

  it("changes the fields of the mask alone, and clears those that are not set", async () => {
    const before = await created(full);
    const change = { id: before.id, name: "not meant", description: "after", labels: { c: "3" } };
    const { task } = await fixture.client.call("updateTask", {
      task: change,
      updateMask: { paths: ["description", "recurrence"] },
    });
    expect(task).toMatchObject({ name: before.name, labels: full.labels, timeZone: full.timeZone });
    expect(task).toMatchObject({ description: "after", recurrence: Recurrence.UNSPECIFIED });
    const cleared = await fixture.client.call("updateTask", {
      task: { id: before.id },
      updateMask: { paths: ["labels", "time_zone", "description"] },
    });
    expect(cleared.task).toMatchObject({ labels: {}, timeZone: "UTC", description: "" });
    expect(await read(before.id)).toEqual(cleared.task);
  });

  it("without a mask changes the fields that are set", async () => {
    const before = await created(full);
    const { task } = await fixture.client.call("updateTask", { task: { id: before.id, labels: { c: "3" } } });
    expect(task).toMatchObject({ ...full, name: before.name, labels: { c: "3" } });
  });

  it("with * makes everything what the task says", async () => {
    const before = await created(full);
    const change = { id: before.id, name: unique("star"), scheduledTime: later };
    for (const name of CLIENTS) {
      const { task } = await fixture.clients[name].call("updateTask", { task: change, updateMask: { paths: ["*"] } });
      expect(task).toMatchObject({ ...change, description: "", labels: {}, timeZone: "UTC" });
    }
  });

  it("takes a whole task as it was read, output and all", async () => {
    const before = await created(full);
    await fixture.client.call("runTask", { id: before.id });
    const whole = await read(before.id);
    for (const updateMask of [undefined, { paths: ["*"] }]) {
      const task = { ...(await read(before.id)), description: unique("after") };
      const answer = await fixture.client.call(
        "updateTask",
        updateMask === undefined ? { task } : { task, updateMask },
      );
      expect(answer.task).toMatchObject({ ...full, name: whole.name, description: task.description, id: whole.id });
      expect(answer.task?.etag).not.toBe(task.etag);
    }
  });

  it("that changes nothing leaves the etag", async () => {
    const before = await created(full);
    const { task } = await fixture.client.call("updateTask", { task: before });
    expect(bytesOf(task)).toBe(bytesOf(before));
  });

  it.each([
    ["a field that is no field", ["colour"], ["update_mask"]],
    ["a field that is output only", ["state"], ["update_mask"]],
    ["a part of a field", ["labels.env"], ["update_mask"]],
    ["a name that is not set", ["name"], ["task.name"]],
    ["a time that is not set", ["scheduled_time"], ["task.scheduled_time"]],
  ])("refuses a mask of %s", async (_, paths, fields) => {
    const { id } = await created();
    const fault = await faultOf(fixture.client.call("updateTask", { task: { id }, updateMask: { paths } }));
    expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields });
  });

  it("refuses a task without an id", async () => {
    const fault = await faultOf(fixture.client.call("updateTask", { task: { description: "whose?" } }));
    expect(fault.code).toMatch(/INVALID_ARGUMENT|NOT_FOUND/);
    expect(await faultOf(fixture.client.call("updateTask", {}))).toMatchObject({
      code: "INVALID_ARGUMENT",
      fields: ["task"],
    });
  });

  it("on an etag that is not the current one is aborted, and changes nothing", async () => {
    const first = await created();
    const { task: second } = await fixture.client.call("updateTask", { task: { id: first.id, description: "second" } });
    for (const etag of [first.etag, "never one"]) {
      const change = { id: first.id, description: "third", etag };
      const fault = await faultOf(fixture.client.call("updateTask", { task: change }));
      expect(fault).toMatchObject({ code: "ABORTED", reason: "ETAG_MISMATCH" });
      const deletion = await faultOf(fixture.client.call("deleteTask", { id: first.id, etag }));
      expect(deletion).toMatchObject({ code: "ABORTED", reason: "ETAG_MISMATCH" });
    }
    expect(bytesOf(await read(first.id))).toBe(bytesOf(second));
  });

  it("of one etag by 10 callers at once is done once", async () => {
    const { id, etag } = await created();
    const calls = Array.from({ length: 10 }, (_, i) =>
      fixture.client.call("updateTask", { task: { id, etag, description: `${i}` } }),
    );
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it("to a taken name is refused; to its own it is not", async () => {
    const taker = await created();
    const { id, name } = await created();
    const fault = await faultOf(fixture.client.call("updateTask", { task: { id, name: taker.name } }));
    expect(fault).toMatchObject({ code: "ALREADY_EXISTS", reason: "TASK_NAME_TAKEN", fields: ["task.name"] });
    const { task } = await fixture.client.call("updateTask", { task: { id, name, description: "same name" } });
    expect(task).toMatchObject({ name, description: "same name" });
  });

  it("of the schedule moves the next run, of anything else it does not", async () => {
    const { id } = await created({ scheduledTime: at("2001-01-31T09:30:00Z"), recurrence: Recurrence.YEARLY });
    const before = await read(id);
    const described = (await fixture.client.call("updateTask", { task: { id, description: "x" } })).task;
    expect(described?.nextRunTime).toEqual(before.nextRunTime);
    const moved = (await fixture.client.call("updateTask", { task: { id, scheduledTime: later } })).task;
    expect(moved?.nextRunTime).toEqual(later);
    const zoned = await fixture.client.call("updateTask", {
      task: { id, timeZone: "+05:30", scheduledTime: at("2001-01-31T20:00:00Z"), recurrence: Recurrence.MONTHLY },
    });
    expect(textOf(zoned.task?.nextRunTime)).toMatch(/T20:00:00Z$/);
  });
});

describe("states", () => {
  it("are kept by a pause and a resume that change nothing", async () => {
    const { id } = await created();
    const active = await read(id);
    expect((await fixture.client.call("resumeTask", { id })).task).toEqual(active);
    const paused = (await fixture.client.call("pauseTask", { id, reason: "r" })).task!;
    expect((await fixture.client.call("pauseTask", { id, reason: "r" })).task).toEqual(paused);
    const again = (await fixture.client.call("pauseTask", { id, reason: "another" })).task!;
    expect(again.pauseReason).toBe("another");
  });

  it("of completed tasks can neither be paused nor resumed, but a later time makes them active", async () => {
    const { id } = await created();
    await fixture.query("UPDATE tasks SET state = 'COMPLETED', next_run_time = NULL WHERE id = ?", [id]);
    for (const method of ["pauseTask", "resumeTask"] as const) {
      const fault = await faultOf(fixture.client.call(method, { id }));
      expect(fault).toMatchObject({ code: "FAILED_PRECONDITION", reason: "TASK_COMPLETED" });
    }
    expect((await fixture.client.call("runTask", { id })).execution).toMatchObject({ state: ExecutionState.PENDING });
    const described = (await fixture.client.call("updateTask", { task: { id, description: "still" } })).task;
    expect(described).toMatchObject({ state: TaskState.COMPLETED });
    const scheduledTime = at("2101-01-01T00:00:00Z");
    const moved = (await fixture.client.call("updateTask", { task: { id, scheduledTime } })).task;
    expect(moved).toMatchObject({ state: TaskState.ACTIVE, nextRunTime: scheduledTime });
  });

  it("of paused tasks survive an update of the schedule", async () => {
    const { id } = await created();
    await fixture.client.call("pauseTask", { id, reason: "wait" });
    const scheduledTime = at("2101-01-01T00:00:00Z");
    const moved = (await fixture.client.call("updateTask", { task: { id, scheduledTime } })).task;
    expect(moved).toMatchObject({ state: TaskState.PAUSED, pauseReason: "wait" });
    expect((await fixture.client.call("resumeTask", { id })).task?.nextRunTime).toEqual(scheduledTime);
  });

  it("refuses a reason that is too long", async () => {
    const { id } = await created();
    const fault = await faultOf(fixture.client.call("pauseTask", { id, reason: "x".repeat(1025) }));
    expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", fields: ["reason"] });
  });
});

describe("run", () => {
  it("gives each of many runs at once an execution of its own", async () => {
    const { id } = await created();
    const answers = await Promise.all(Array.from({ length: 20 }, () => fixture.client.call("runTask", { id })));
    const ids = new Set(answers.map(({ execution }) => execution?.id));
    expect(ids.size).toBe(20);
    const page = await fixture.client.call("listExecutions", { taskId: id });
    expect(new Set(page.executions.map((execution) => execution.id))).toEqual(ids);
  });
});
