import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { type Task, TaskState, WebhookSchema } from "@taskscheduler/proto";
import {
  type ApiFixture,
  at,
  CLIENTS,
  faultOf,
  millisOf,
  startApiFixture,
  type TaskInit,
  walkPages,
} from "./api-fixture.js";

let fixture: ApiFixture;

beforeAll(async () => {
  fixture = await startApiFixture();
});
afterAll(() => fixture?.stop());

const later = at("2100-01-31T09:30:00Z");

/** Each set of tasks has a label of its own, so that tests do not see each other's. */
async function createSet(inits: readonly TaskInit[]): Promise<{ labelFilter: { set: string }; tasks: Task[] }> {
  const set = randomUUID();
  const tasks = inits.map((init, index) => ({
    name: `${set} ${index}`,
    scheduledTime: later,
    ...init,
    labels: { ...init.labels, set },
  }));
  const { results } = await fixture.client.call("batchCreateTasks", { tasks });
  const created = results.map(({ result }) => {
    if (result.case !== "task") throw new Error(`not created: ${result.value?.message}`);
    return result.value;
  });
  return { labelFilter: { set }, tasks: created };
}

const idsOf = (tasks: readonly Task[]) => tasks.map(({ id }) => id);
const ascending = (a: number | string, b: number | string) => (a < b ? -1 : a > b ? 1 : 0);

describe("tasks", () => {
  const times = [
    "2100-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "2100-01-01T00:00:00.001Z",
  ];
  const stems = ["b", "B", "a", "ä", "Z", "🚀", "\uffee", " ", "\u0001", '"\\'];
  let set: Awaited<ReturnType<typeof createSet>>;

  beforeAll(async () => {
    const inits = Array.from({ length: 40 }, (_, index) => ({
      scheduledTime: at(times[index % times.length]!),
      name: `${stems[index % stems.length]} ${randomUUID()}`,
    }));
    set = await createSet(inits);
    for (const { id } of set.tasks.slice(0, 12)) await fixture.client.call("pauseTask", { id });
  });

  const list = (orderBy: string, pageSize: number, client = fixture.client) => {
    return walkPages<Task>(async (pageToken) => {
      const request = { pageSize, pageToken, orderBy, labelFilter: set.labelFilter };
      const { tasks, nextPageToken } = await client.call("listTasks", request);
      expect(tasks.length).toBeLessThanOrEqual(pageSize);
      return { items: tasks, nextPageToken };
    });
  };
  const rankOf: Record<string, (task: Task) => number | string> = {
    id: ({ id }) => id,
    name: ({ name }) => Buffer.from(name).toString("hex"),
    next_run_time: ({ nextRunTime }) => millisOf(nextRunTime),
    create_time: ({ createTime }) => millisOf(createTime),
  };

  describe.each(Object.keys(rankOf))("by %s", (field) => {
    it.each([
      ["", 1],
      ["", 7],
      [" asc", 40],
      [" desc", 1],
      [" desc", 7],
    ])("%s come once each, in pages of %i", async (direction, pageSize) => {
      const tasks = await list(`${field}${direction}`, pageSize);
      expect(idsOf(tasks).sort(ascending)).toEqual(idsOf(set.tasks).sort(ascending));
      const ranks = tasks.map(rankOf[field]!);
      const sorted = [...ranks].sort(ascending);
      expect(ranks).toEqual(direction === " desc" ? sorted.reverse() : sorted);
    });
  });

  it.each(CLIENTS)("are the same to %s", async (name) => {
    const read = await Promise.all(set.tasks.map(({ id }) => fixture.client.call("getTask", { id })));
    expect(await list("", 9, fixture.clients[name])).toEqual(read.map(({ task }) => task));
  });

  it("come once each while others are created and deleted", async () => {
    for (const orderBy of ["id", "name desc", "next_run_time", "create_time desc"]) {
      const { labelFilter, tasks } = await createSet(Array.from({ length: 60 }, () => ({})));
      const doomed = new Set(idsOf(tasks.filter((_, index) => index % 3 === 2)));
      const seen = await walkPages<Task>(
        async (pageToken) => {
          const answer = await fixture.client.call("listTasks", { pageSize: 6, pageToken, orderBy, labelFilter });
          return { items: answer.tasks, nextPageToken: answer.nextPageToken };
        },
        async (items) => {
          // Also the one that the next page begins after.
          for (const { id } of items) if (doomed.has(id)) await fixture.client.call("deleteTask", { id });
          const extra = { scheduledTime: later, labels: labelFilter };
          await fixture.client.call("createTask", { task: { ...extra, name: `0 ${randomUUID()}` } });
          await fixture.client.call("createTask", { task: { ...extra, name: `z ${randomUUID()}` } });
        },
      );
      const ids = idsOf(seen);
      expect(new Set(ids).size).toBe(ids.length);
      const kept = idsOf(tasks).filter((id) => !doomed.has(id));
      expect(ids).toEqual(expect.arrayContaining(kept));
    }
  });
});

describe("page_size", () => {
  beforeAll(async () => {
    await fixture.query(
      `INSERT INTO tasks (name, scheduled_time, next_run_time)
         SELECT CONCAT('bulk ', seq), '2100-01-01', '2100-01-01' FROM seq_1_to_10100`,
    );
  });

  it.each([
    [0, 100],
    [1, 1],
    [999, 999],
    [1000, 1000],
    [1001, 1000],
    [5000, 1000],
    [2_147_483_647, 1000],
  ])("of %i gives %i", async (pageSize, count) => {
    const { tasks, nextPageToken, totalSize } = await fixture.client.call("listTasks", { pageSize });
    expect(tasks).toHaveLength(count);
    expect(nextPageToken).not.toBe("");
    expect(totalSize).toBe(0);
  });

  it("that is negative is refused", async () => {
    for (const method of ["listTasks", "listExecutions"] as const) {
      const fault = await faultOf(fixture.client.call(method, { pageSize: -1 }));
      expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields: ["page_size"] });
    }
  });

  it("may change from page to page; all 1000 of a full last page come without a token", async () => {
    const nameContains = "bulk 10";
    const first = await fixture.client.call("listTasks", { pageSize: 3, nameContains });
    const rest = { pageSize: 1000, nameContains, pageToken: first.nextPageToken };
    const second = await fixture.client.call("listTasks", rest);
    expect(second.nextPageToken).toBe("");
    // 10, 100 to 109, 1000 to 1099, 10000 to 10099 and 10100.
    expect(first.tasks.length + second.tasks.length).toBe(1 + 10 + 100 + 100 + 1);
    const exact = await fixture.client.call("listTasks", { pageSize: 212, nameContains });
    expect([exact.tasks.length, exact.nextPageToken]).toEqual([212, ""]);
  });

  it("does not bound the total, which is counted up to 10000", async () => {
    const total = async (nameContains: string) =>
      (await fixture.client.call("listTasks", { pageSize: 1, countTotal: true, nameContains })).totalSize;
    expect(await total("bulk")).toBe(10_000);
    expect(await total("bulk 10")).toBe(212);
    expect(await total("no such task")).toBe(0);
  });
});

describe("page_token", () => {
  it("is refused with any character changed, cut or added", async () => {
    const { labelFilter } = await createSet([{}, {}, {}]);
    const { nextPageToken } = await fixture.client.call("listTasks", { pageSize: 1, labelFilter });
    const damaged = [...nextPageToken].map((char, index) => {
      const other = char === "A" ? "B" : "A";
      return nextPageToken.slice(0, index) + other + nextPageToken.slice(index + 1);
    });
    damaged.push(
      nextPageToken.slice(1),
      nextPageToken.slice(0, -1),
      `${nextPageToken}A`,
      `${nextPageToken}=`,
      "A",
      "é",
    );
    for (const pageToken of damaged) {
      const fault = await faultOf(fixture.client.call("listTasks", { pageSize: 1, labelFilter, pageToken }));
      expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_PAGE_TOKEN", fields: ["page_token"] });
    }
  });

  it("is refused with other filters, another order and by another list", async () => {
    const { labelFilter } = await createSet([{}, {}, {}]);
    const first = await fixture.client.call("listTasks", { pageSize: 1, labelFilter });
    const pageToken = first.nextPageToken;
    const others = [
      {},
      { labelFilter: { ...labelFilter, more: "" } },
      { labelFilter, nameContains: "x" },
      { labelFilter, states: [TaskState.ACTIVE] },
      { labelFilter, orderBy: "name" },
      { labelFilter, orderBy: "id desc" },
      { labelFilter, nextRunAfter: later },
      { labelFilter, nextRunBefore: later },
    ];
    for (const other of others) {
      const fault = await faultOf(fixture.client.call("listTasks", { pageSize: 1, pageToken, ...other }));
      expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_PAGE_TOKEN" });
    }
    const foreign = await faultOf(fixture.client.call("listExecutions", { pageToken }));
    expect(foreign).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_PAGE_TOKEN" });
  });

  it.each(["colour", "id sideways", "id desc desc", "name,id", "ID", "-id"])(
    "takes no order by %s",
    async (orderBy) => {
      for (const method of ["listTasks", "listExecutions"] as const) {
        const fault = await faultOf(fixture.client.call(method, { orderBy }));
        expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", fields: ["order_by"] });
      }
    },
  );
});

describe("filters", () => {
  const names = async (request: object) => {
    const { tasks } = await fixture.client.call("listTasks", { pageSize: 1000, ...request });
    return tasks.map((task) => task.name);
  };

  it.each([
    ["Water the PLANTS", ["water the plants", "PLANTS", "r t"]],
    ["50% off", ["50%", "% OFF", "0% o"]],
    ["snake_case", ["E_c", "_"]],
    ["back\\slash", ["\\", "K\\S"]],
    ['it\'s "quoted"', ["'s", '"QUOTED"']],
    ["Größe ÄÖÜ", ["größe äöü", "ÄÖÜ"]],
    ["launch 🚀", ["🚀"]],
    ["ПРИВЕТ", ["привет"]],
    ["ends in a space ", ["SPACE "]],
  ])("name_contains finds %j", async (name, texts) => {
    const { labelFilter } = await createSet([
      { name },
      { name: `50 off, snakeXcase, backslash 🎉 grosse aou ${randomUUID()}` },
    ]);
    for (const nameContains of texts) expect(await names({ labelFilter, nameContains })).toEqual([name]);
    const ids = (await fixture.client.call("listTasks", { labelFilter })).tasks.map(({ id }) => id);
    for (const id of ids) await fixture.client.call("deleteTask", { id });
  });

  it("label_filter takes each label to the letter", async () => {
    const labels = [
      { a: "1" },
      { a: "x" },
      { a: "X" },
      { a: "x " },
      { A: "x" },
      { "a.b": "x" },
      { "a/b": "x" },
      { a: 'q"\\' },
      { a: "ü🚀" },
      { a: "u🎉" },
      { a: "" },
      { a: "null" },
      { a: "[1]" },
      { a: "x", b: "y" },
      { b: "y" },
    ];
    const { labelFilter, tasks } = await createSet(labels.map((each) => ({ labels: each }) as TaskInit));
    for (const wanted of labels) {
      const entries = Object.entries(wanted);
      const expected = tasks.filter((task) => entries.every(([key, value]) => task.labels[key] === value));
      const filter = { ...labelFilter, ...wanted } as Record<string, string>;
      expect(await names({ labelFilter: filter })).toEqual(expected.map((task) => task.name));
    }
    expect(await names({ labelFilter: { ...labelFilter, c: "" } })).toEqual([]);
  });

  it("label_filter takes as many labels as a task may have, in any order and with other filters", async () => {
    const most = Object.fromEntries(Array.from({ length: 63 }, (_, index) => [`label-${index}`, `${index}`]));
    const others = [most, { ...most, "label-62": "other" }, { ...most, "label-17": "" }, { "label-0": "0" }];
    const { labelFilter, tasks } = await createSet(others.map((labels) => ({ labels })));
    const all = { ...labelFilter, ...most };
    for (const orderBy of ["", "name", "next_run_time desc", "create_time"]) {
      for (const more of [
        {},
        { states: [TaskState.ACTIVE] },
        { nameContains: "0" },
        { nextRunAfter: at("2099-01-01T00:00:00Z") },
      ]) {
        const request = { labelFilter: all, orderBy, countTotal: true, ...more };
        const answer = await fixture.client.call("listTasks", request);
        expect({ ids: idsOf(answer.tasks), total: answer.totalSize }).toEqual({ ids: [tasks[0]!.id], total: 1 });
      }
    }
  });

  it("states", async () => {
    const { labelFilter, tasks } = await createSet([{}, {}, {}]);
    const [active, paused, completed] = tasks as [Task, Task, Task];
    await fixture.client.call("pauseTask", { id: paused.id });
    await fixture.query("UPDATE tasks SET state = 'COMPLETED', next_run_time = NULL WHERE id = ?", [completed.id]);
    const { ACTIVE, PAUSED, COMPLETED } = TaskState;
    expect(await names({ labelFilter, states: [ACTIVE] })).toEqual([active.name]);
    expect(await names({ labelFilter, states: [PAUSED] })).toEqual([paused.name]);
    expect(await names({ labelFilter, states: [COMPLETED, PAUSED] })).toEqual([paused.name, completed.name]);
    expect(await names({ labelFilter, states: [] })).toHaveLength(3);
    const fault = await faultOf(fixture.client.call("listTasks", { states: [TaskState.UNSPECIFIED] }));
    expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", fields: ["states[0]"] });
  });

  it("next_run_after and next_run_before are strict, and know no next run of a paused task", async () => {
    const inits = ["2100-01-01T00:00:00Z", "2100-01-01T00:00:00.001Z", "2100-01-01T00:00:00.002Z"].map((time) => ({
      scheduledTime: at(time),
    }));
    const { labelFilter, tasks } = await createSet([...inits, { scheduledTime: inits[1]!.scheduledTime }]);
    const [first, second, third, paused] = tasks as [Task, Task, Task, Task];
    await fixture.client.call("pauseTask", { id: paused.id });
    const found = (after?: string, before?: string) =>
      names({
        labelFilter,
        ...(after === undefined ? {} : { nextRunAfter: at(`2100-01-01T00:00:00${after}Z`) }),
        ...(before === undefined ? {} : { nextRunBefore: at(`2100-01-01T00:00:00${before}Z`) }),
      });
    expect(await found("")).toEqual([second.name, third.name]);
    expect(await found(".000999999")).toEqual([second.name, third.name]);
    expect(await found(".001")).toEqual([third.name]);
    expect(await found(undefined, ".001")).toEqual([first.name]);
    expect(await found(undefined, ".001000001")).toEqual([first.name, second.name]);
    expect(await found("", ".002")).toEqual([second.name]);
    expect(await found(".002", "")).toEqual([]);
    const ever = { nextRunBefore: create(TimestampSchema, { seconds: 253_402_300_799n, nanos: 999_999_999 }) };
    expect(await names({ labelFilter, ...ever })).toHaveLength(3);
  });

  it("hold all at once", async () => {
    const { labelFilter, tasks } = await createSet([{ name: "all at ONCE" }, {}, { name: "once paused" }]);
    await fixture.client.call("pauseTask", { id: tasks[2]!.id });
    const request = {
      labelFilter,
      nameContains: "once",
      states: [TaskState.ACTIVE],
      nextRunBefore: at("2101-01-01T00:00:00Z"),
    };
    expect(await names(request)).toEqual(["all at ONCE"]);
    expect((await fixture.client.call("listTasks", { ...request, countTotal: true })).totalSize).toBe(1);
  });
});

it("a page of large tasks fits into what clients take, and none is left out", async () => {
  const webhook = create(WebhookSchema, { url: "https://example.com/", body: "x".repeat(65_000) });
  const set = await createSet(Array.from({ length: 100 }, () => ({ webhook })));
  const sizes: number[] = [];
  const tasks = await walkPages<Task>(async (pageToken) => {
    const page = await fixture.client.call("listTasks", { pageSize: 100, pageToken, labelFilter: set.labelFilter });
    sizes.push(page.tasks.length);
    return { items: page.tasks, nextPageToken: page.nextPageToken };
  });
  expect(idsOf(tasks)).toEqual(idsOf(set.tasks));
  expect(Math.max(...sizes) * 65_000).toBeLessThan(4 * 1024 * 1024);
  expect(sizes.length).toBe(3);
});
