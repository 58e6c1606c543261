import { compileSchedule } from "@taskscheduler/domain";
import type { Connection } from "mariadb";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { eventually } from "../setup/eventually.js";
import { metricOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { connectTo, createTestDatabase } from "../setup/test-database.js";

/** Thirteen hours ahead of UTC, and without the clock change that the machine's zone may have. */
const env = { TZ: "Pacific/Apia" };
const HOUR_MS = 3_600_000;

let server: PrivateServer;
let connection: Connection;
let api: ApiProcess;
let scheduler: ServiceProcess;
let client: TaskClient;

beforeAll(async () => {
  server = await startPrivateServer({ extraArgs: ["--default-time-zone=-05:00"] });
  const database = await createTestDatabase(server.url);
  connection = await connectTo(database.url, { dateStrings: true });
  api = await startApi({ databaseUrl: database.url, env });
  scheduler = await startScheduler({ apiAddress: api.grpcAddress, env });
  await Promise.all([api.ready(), scheduler.ready()]);
  client = createTaskClient(api.grpcAddress);
});

afterAll(async () => {
  client?.close();
  await connection?.end();
  await killAll();
  await server?.stop();
});

const utcText = (timeMs: number) => new Date(timeMs).toISOString().slice(0, 23).replace("T", " ");
const ran = (id: number) =>
  eventually("it ran", async () => {
    const [run] = await client.runs(id);
    return run?.state === "SUCCEEDED" && run;
  });

describe("with the database's sessions five hours behind UTC and the processes thirteen ahead", () => {
  it("fires at the instant, and keeps it in UTC", async () => {
    const dueMs = Date.now() + 400;
    const { id } = await client.create({ name: "once", scheduledTimeMs: dueMs });
    const run = await ran(id);
    expect(run).toMatchObject({ scheduledTimeMs: dueMs, trigger: "SCHEDULE" });
    expect(run.startTimeMs! - dueMs).toBeGreaterThanOrEqual(0);
    expect(run.startTimeMs! - dueMs).toBeLessThan(5_000);
    const [task] = await connection.query("SELECT scheduled_time, last_run_time, create_time FROM tasks WHERE id = ?", [
      id,
    ]);
    expect(task).toMatchObject({ scheduled_time: utcText(dueMs), last_run_time: utcText(dueMs) });
    expect(Math.abs(Date.parse(`${task.create_time.replace(" ", "T")}Z`) - Date.now())).toBeLessThan(60_000);
    const [row] = await connection.query("SELECT scheduled_time, start_time FROM executions WHERE task_id = ?", [id]);
    expect(row).toEqual({ scheduled_time: utcText(dueMs), start_time: utcText(run.startTimeMs!) });
  });

  it("takes the two clocks of one machine for one", async () => {
    expect(await metricOf(scheduler, "taskscheduler_scheduler_clock_offset_seconds")).toBe(0);
  });

  it("steps on the calendar of the task's own zone", async () => {
    const dueMs = Date.now() + 1_000;
    const zones = ["America/New_York", "Pacific/Apia", "-05:00"];
    const drafts = zones.map((timeZone) => ({ name: timeZone, scheduledTimeMs: dueMs, timeZone }));
    const tasks = await client.createAll(drafts.map((draft) => ({ ...draft, recurrence: "MONTHLY" as const })));
    for (const { id, name: timeZone } of tasks) {
      await ran(id);
      const nextRunTimeMs = compileSchedule({ scheduledTimeMs: dueMs, recurrence: "MONTHLY", timeZone }).next(
        dueMs,
      )?.timeMs;
      expect(await client.get(id)).toMatchObject({ nextRunTimeMs });
    }
  });

  it("reads REST's times without an offset as UTC, and answers in UTC", async () => {
    const dueMs = Math.ceil((Date.now() + 2 * HOUR_MS) / 1_000) * 1_000;
    const text = new Date(dueMs).toISOString().slice(0, 19);
    const samoan = new Date(dueMs + 13 * HOUR_MS).toISOString().slice(0, 19);
    for (const [name, scheduled_time] of [
      ["plain", text],
      ["offset", `${samoan}+13:00`],
    ]) {
      const body = JSON.stringify({ name, scheduled_time, recurrence: "once" });
      const headers = { "Content-Type": "application/json" };
      const posted = await fetch(`${api.httpUrl}/api/tasks/`, { method: "POST", body, headers });
      const created = (await posted.json()) as { readonly id: number };
      expect(created).toMatchObject({ name, scheduled_time: text });
      const [task] = await connection.query("SELECT scheduled_time FROM tasks WHERE name = ?", [name]);
      expect(task).toEqual({ scheduled_time: utcText(dueMs) });
      const answer = await (await fetch(`${api.httpUrl}/api/tasks/${created.id}`)).json();
      expect(answer).toMatchObject({ scheduled_time: text });
    }
  });

  it("refuses a REST time of the last hour, and takes one of the next", async () => {
    const post = (timeMs: number) =>
      fetch(`${api.httpUrl}/api/tasks/`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ name: `at ${timeMs}`, scheduled_time: new Date(timeMs).toISOString().slice(0, 19) }),
      });
    expect((await post(Date.now() - 60_000)).status).toBe(422);
    expect((await post(Date.now() + 60_000)).status).toBe(200);
  });
});
