import { createConnection } from "mariadb";
import { type ApiProcess, killAll, startApi } from "../setup/processes.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

/** The original's HTTP transcripts (its page is kept as seed.md), byte for byte, their year moved into the future. */

const year = 2124;
const list = `[{"name":"Second Updated Task","scheduled_time":"${year}-04-20T10:00:00","recurrence":"weekly","id":1},{"name":"Finish reading 'Atomic Habits'","scheduled_time":"${year}-05-01T10:00:00","recurrence":"once","id":2},{"name":"Begin learning Spanish on Duolingo","scheduled_time":"${year}-09-01T09:00:00","recurrence":"daily","id":3},{"name":"Start a daily meditation practice","scheduled_time":"${year}-08-01T07:00:00","recurrence":"daily","id":4},{"name":"Run a half marathon","scheduled_time":"${year}-07-01T06:00:00","recurrence":"once","id":5},{"name":"Complete the Python Advanced course","scheduled_time":"${year}-06-01T10:00:00","recurrence":"once","id":6},{"name":"Task After Deletion","scheduled_time":"${year}-10-01T10:00:00","recurrence":"once","id":7},{"name":"Play cricket","scheduled_time":"${year}-03-15T15:00:00","recurrence":"weekly","id":8}]`;
const created = `{"name":"Attend coding webinar","scheduled_time":"${year}-04-10T18:00:00","recurrence":"once","id":9}`;
const headers = { accept: "application/json", "content-type": "application/json" };

let database: TestDatabase;
let api: ApiProcess;

beforeAll(async () => {
  database = await createTestDatabase();
  api = await startApi({ databaseUrl: database.url });
  await api.ready();
});
afterAll(async () => {
  await api?.stop();
  await killAll();
  await database?.drop();
});

async function rest(method: string, path: string, body?: object): Promise<[number, string]> {
  const init = body === undefined ? { method } : { method, headers, body: JSON.stringify(body) };
  const response = await fetch(`${api.httpUrl}${path}`, init);
  return [response.status, await response.text()];
}

async function query(sql: string): Promise<unknown[]> {
  const connection = await createConnection({ ...credentials(), dateStrings: true });
  try {
    return [...(await connection.query(sql))];
  } finally {
    await connection.end();
  }
}

function credentials() {
  const { hostname: host, port, username: user, password } = new URL(database.url);
  return { host, port: Number(port), user, password: decodeURIComponent(password), database: database.name };
}

describe("the original's transcripts", () => {
  it("greet", async () => {
    expect(await rest("GET", "/")).toEqual([200, '{"message":"Welcome to the Task Scheduler API!"}']);
  });

  it("begin with no task", async () => {
    expect(await rest("GET", "/api/tasks/")).toEqual([200, "[]"]);
  });

  it("create the tasks of the list, change the first, and list them", async () => {
    for (const { id, ...task } of JSON.parse(list)) {
      const name = id === 1 ? "First Task" : task.name;
      expect(await rest("POST", "/api/tasks/", { ...task, name })).toEqual([
        200,
        JSON.stringify({ ...task, name, id }),
      ]);
    }
    const [status, text] = await rest("PUT", "/api/tasks/1", { name: "Second Updated Task" });
    expect([status, JSON.parse(text).name]).toEqual([200, "Second Updated Task"]);
    expect(await rest("GET", "/api/tasks/")).toEqual([200, list]);
  });

  it("read the task with id 2", async () => {
    const task = `{"name":"Finish reading 'Atomic Habits'","scheduled_time":"${year}-05-01T10:00:00","recurrence":"once","id":2}`;
    expect(await rest("GET", "/api/tasks/2")).toEqual([200, task]);
  });

  it("create a task by curl", async () => {
    const body = { name: "Attend coding webinar", scheduled_time: `${year}-04-10T18:00:00`, recurrence: "once" };
    expect(await rest("POST", "/api/tasks/", body)).toEqual([200, created]);
    expect(await rest("GET", "/api/tasks/")).toEqual([200, `${list.slice(0, -1)},${created}]`]);
  });

  it("find the tasks in the database", async () => {
    const rows = await query("SELECT id, name, scheduled_time, recurrence FROM tasks ORDER BY id");
    expect(rows).toHaveLength(9);
    expect(rows[8]).toEqual({
      id: 9,
      name: "Attend coding webinar",
      scheduled_time: expect.stringMatching(new RegExp(`^${year}-04-10 18:00:00(\\.0+)?$`)),
      recurrence: "ONCE",
    });
  });

  it("document themselves", async () => {
    expect((await rest("GET", "/redoc"))[0]).toBe(200);
  });
});

describe("REST on the database", () => {
  const time = `${year}-04-20T10:00:00`;
  const create = async (name: string, fields: object = {}): Promise<number> => {
    const [status, text] = await rest("POST", "/api/tasks/", { name, scheduled_time: time, ...fields });
    expect([status, text]).toEqual([200, expect.any(String)]);
    return JSON.parse(text).id;
  };

  it("changes the fields given and leaves the rest", async () => {
    const id = await create("put", { recurrence: "weekly" });
    const path = `/api/tasks/${id}`;
    const task = (fields: object) =>
      JSON.stringify({ name: "put", scheduled_time: time, recurrence: "weekly", id, ...fields });
    const moved = `${year}-04-20T10:00:00.250000`;
    expect(await rest("PUT", path, {})).toEqual([200, task({})]);
    expect(await rest("PUT", path, { scheduled_time: `${year}-04-20T12:00:00.25+02:00` })).toEqual([
      200,
      task({ scheduled_time: moved }),
    ]);
    expect(await rest("PUT", path, { recurrence: null })).toEqual([
      200,
      task({ scheduled_time: moved, recurrence: null }),
    ]);
    expect(await rest("GET", `${path}/`)).toEqual([200, task({ scheduled_time: moved, recurrence: null })]);
    expect((await rest("PUT", path, { scheduled_time: "2024-04-20T10:00:00" }))[0]).toBe(200);
  });

  it("deletes", async () => {
    const path = `/api/tasks/${await create("delete")}`;
    expect(await rest("DELETE", path)).toEqual([204, ""]);
    const missing = [404, '{"detail":"Task not found"}'];
    expect(await rest("GET", path)).toEqual(missing);
    expect(await rest("PUT", path, { name: "x" })).toEqual(missing);
    expect(await rest("DELETE", path)).toEqual(missing);
  });

  it("says that a name is taken", async () => {
    const id = await create("taken");
    const other = await create("Taken");
    const [status, text] = await rest("POST", "/api/tasks", { name: "taken", scheduled_time: time });
    expect([status, JSON.parse(text)]).toEqual([409, { detail: expect.stringContaining("taken") }]);
    expect((await rest("PUT", `/api/tasks/${other}`, { name: "taken" }))[0]).toBe(409);
    expect((await rest("PUT", `/api/tasks/${id}`, { name: "taken" }))[0]).toBe(200);
  });

  it("pages", async () => {
    const all = JSON.parse((await rest("GET", "/api/tasks/?limit=1000"))[1]);
    expect(all.length).toBeGreaterThan(9);
    expect(JSON.parse((await rest("GET", "/api/tasks/?skip=2&limit=3"))[1])).toEqual(all.slice(2, 5));
    expect(await rest("GET", "/api/tasks/?skip=100000")).toEqual([200, "[]"]);
  });

  it("refuses a time that is past, on POST", async () => {
    const [status, text] = await rest("POST", "/api/tasks/", { name: "past", scheduled_time: "2024-04-20T10:00:00" });
    expect([status, JSON.parse(text).detail[0].loc]).toEqual([422, ["body", "scheduled_time"]]);
  });
});
