import { randomUUID } from "node:crypto";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { BadRequestSchema, Code, ErrorInfoSchema, Recurrence, type Status, TaskState } from "@taskscheduler/proto";
import { type ApiFixture, at, CLIENTS, faultOf, startApiFixture, type TaskInit } from "./api-fixture.js";

let fixture: ApiFixture;

beforeAll(async () => {
  fixture = await startApiFixture();
});
afterAll(() => fixture?.stop());

const scheduledTime = at("2100-01-31T09:30:00Z");
const named = (count: number, stem: string): TaskInit[] =>
  Array.from({ length: count }, (_, index) => ({ name: `${stem} ${index}`, scheduledTime }));

async function countNamed(stem: string): Promise<number> {
  const [row] = await fixture.query("SELECT COUNT(*) AS n FROM tasks WHERE name LIKE ?", [`${stem}%`]);
  return Number(row?.["n"]);
}

function errorOf(status: Status) {
  const [info] = status.details.flatMap((any) => anyUnpack(any, ErrorInfoSchema) ?? []);
  const violations = status.details.flatMap((any) => anyUnpack(any, BadRequestSchema)?.fieldViolations ?? []);
  return {
    code: Code[status.code],
    domain: info?.domain,
    reason: info?.reason,
    fields: violations.map(({ field }) => field).sort(),
  };
}

describe.each(CLIENTS)("%s", (name) => {
  it("creates 1000 tasks and answers them in the order of the request", async () => {
    const stem = randomUUID();
    const tasks = named(1000, stem).map((task, index) => ({ ...task, labels: { index: `${index}` } }));
    const { results } = await fixture.clients[name].call("batchCreateTasks", { tasks });
    const answered = results.map(({ result }) => (result.case === "task" ? result.value : undefined));
    expect(answered.map((task) => task?.name)).toEqual(tasks.map((task) => task.name));
    expect(new Set(answered.map((task) => task?.id)).size).toBe(1000);
    for (const index of [0, 1, 499, 998, 999]) {
      const { task } = await fixture.client.call("getTask", { id: answered[index]!.id });
      expect(task).toEqual(answered[index]);
      expect(task).toMatchObject({ labels: { index: `${index}` }, state: TaskState.ACTIVE });
    }
    expect(await countNamed(stem)).toBe(1000);
  });

  it("refuses those that are wrong, each with its place, and creates the others", async () => {
    const stem = randomUUID();
    await fixture.client.call("createTask", { task: { name: `${stem} taken`, scheduledTime } });
    const tasks: TaskInit[] = [
      { name: `${stem} 0`, scheduledTime },
      { name: `${stem} taken`, scheduledTime },
      { name: `${stem} 2`, scheduledTime, recurrence: Recurrence.DAILY },
      { name: "", scheduledTime },
      { name: `${stem} 0`, scheduledTime },
      { name: `${stem} 5`, scheduledTime, timeZone: "Mars/Olympus" },
      { name: `${stem} 6`, scheduledTime, cron: "* * * * *" },
      { name: `${stem} 7`, scheduledTime, labels: { "a b": "c" } },
      { name: `${stem} 8` },
      { name: `${stem} 9`, scheduledTime, cron: "* * * * *", rrule: "FREQ=DAILY" },
      { name: `${stem} 10`, scheduledTime },
    ];
    const { results } = await fixture.clients[name].call("batchCreateTasks", { tasks });
    const told = results.map(({ result }) => (result.case === "error" ? errorOf(result.value) : result.value?.name));
    const taken = (index: number) => refused(index, "name", "TASK_NAME_TAKEN", "ALREADY_EXISTS");
    expect(told).toEqual([
      `${stem} 0`,
      taken(1),
      `${stem} 2`,
      refused(3, "name"),
      taken(4),
      refused(5, "time_zone"),
      refused(6, "cron", "NOT_SUPPORTED_YET"),
      refused(7, "labels"),
      refused(8, "scheduled_time"),
      refused(9, "recurrence"),
      `${stem} 10`,
    ]);
    expect(await countNamed(stem)).toBe(4);
  });
});

function refused(index: number, field: string, reason = "INVALID_FIELD", code = "INVALID_ARGUMENT") {
  return { code, domain: "taskscheduler", reason, fields: [`tasks[${index}].${field}`] };
}

it("says of every task that all are wrong", async () => {
  const { results } = await fixture.client.call("batchCreateTasks", {
    tasks: Array.from({ length: 1000 }, () => ({})),
  });
  const told = results.map(({ result }) => (result.case === "error" ? errorOf(result.value).fields : []));
  expect(told[999]).toEqual(["tasks[999].name", "tasks[999].scheduled_time"]);
  expect(told.every((fields) => fields.length > 0)).toBe(true);
});

it.each([0, 1001])("refuses %i tasks", async (count) => {
  const stem = randomUUID();
  const fault = await faultOf(fixture.client.call("batchCreateTasks", { tasks: named(count, stem) }));
  expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields: ["tasks"] });
  expect(await countNamed(stem)).toBe(0);
});

it("lets two batches of the same names at once create each once", async () => {
  const tasks = named(300, randomUUID());
  const answers = await Promise.all(
    CLIENTS.map((name, index) =>
      fixture.clients[name].call("batchCreateTasks", { tasks: index % 2 === 0 ? tasks : [...tasks].reverse() }),
    ),
  );
  const made = answers.flatMap(({ results }) =>
    results.flatMap(({ result }) => (result.case === "task" ? [result.value.name] : [])),
  );
  expect(made.sort()).toEqual(tasks.map((task) => task.name).sort());
});

it("creates nothing with validate_only, and answers the same", async () => {
  const stem = randomUUID();
  const tasks = [...named(2, stem), { name: `${stem} 0`, scheduledTime }];
  const cases = async (validateOnly: boolean) => {
    const { results } = await fixture.client.call("batchCreateTasks", { tasks, validateOnly });
    return results.map(({ result }) => result.case);
  };
  expect(await cases(true)).toEqual(["task", "task", "error"]);
  expect(await countNamed(stem)).toBe(0);
  expect(await cases(false)).toEqual(["task", "task", "error"]);
});
