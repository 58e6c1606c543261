import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { EXECUTION_STATES, LATENCY_BIN_FLOORS_MS, latencyBin } from "@taskscheduler/domain";
import {
  ExecutionState,
  type ExecutionStateCount,
  type LatencySummary,
  SchedulerService,
  type SummarizeExecutionsResponse,
} from "@taskscheduler/proto";
import type { Connection } from "mariadb";
import { root } from "../../scripts/paths.mjs";
import { grpcClient } from "../setup/clients.js";
import { countedExecutions } from "../setup/counted-executions.js";
import { eventually } from "../setup/eventually.js";
import { migrate, undoThrough } from "../setup/migrator.js";
import { startApi, startScheduler } from "../setup/processes.js";
import { createRandom } from "../setup/random.js";
import { connectTo } from "../setup/test-database.js";
import { type ApiFixture, at, CLIENTS, clientsOf, faultOf, millisOf, startApiFixture } from "./api-fixture.js";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const SLOT_MS = 5 * MINUTE_MS;
/** A time of their own for the rows that are written past the API, within what retention keeps. */
const PAST_MS = (Math.floor(Date.now() / DAY_MS) - 20) * DAY_MS;
const PAST_DAYS = 3;
const PAST_ROWS = 20_000;
const PAST_TASKS = 5;

let fixture: ApiFixture;
let connection: Connection;

interface PastRow {
  readonly taskId: number;
  readonly scheduledMs: number;
  readonly state: (typeof EXECUTION_STATES)[number];
  readonly startMs: number | null;
  readonly endMs: number | null;
}

const past = pastRows();

beforeAll(async () => {
  // The scheduler of this spec sends no heartbeats: its lease must outlast the counting.
  fixture = await startApiFixture({ LEASE_MS: "60000" });
  connection = await connectTo(fixture.database.url, { dateStrings: true, bigIntAsNumber: true });
  const texts = past.map((row) => [row.taskId, text(row.scheduledMs), row.state, text(row.startMs), text(row.endMs)]);
  await connection.batch(
    `INSERT INTO executions (task_id, scheduled_time, state, start_time, end_time, task_name, trigger_kind)
       VALUES (?, ?, ?, ?, ?, 'past', 'SCHEDULE')`,
    texts,
  );
  await countAnew();
});
afterAll(async () => {
  await connection?.end();
  await fixture?.stop();
});

/** The step that fills the counts out of the ledger, once more. */
async function countAnew(): Promise<void> {
  await undoThrough(fixture.database.url, "0008-summaries");
  await migrate(fixture.database.url);
}

const text = (timeMs: number | null) =>
  timeMs === null ? null : new Date(timeMs).toISOString().slice(0, 23).replace("T", " ");

/** Of tasks that do not exist any more: at any millisecond, with times of any size, some of them the wrong way round. */
function pastRows(): PastRow[] {
  const random = createRandom("summary");
  const sizes = [1, 5, 50, 1_000, 60_000, 86_400_000];
  const size = () => random.below(random.pick(sizes) + 1);
  const rows = new Map<string, PastRow>();
  while (rows.size < PAST_ROWS) {
    const taskId = 1_000_001 + random.below(PAST_TASKS);
    const scheduledMs = PAST_MS + random.below(PAST_DAYS * DAY_MS);
    const startMs = random.below(10) === 0 ? null : scheduledMs + size() - random.below(2);
    const endMs = random.below(20) === 0 ? null : (startMs ?? scheduledMs) + size();
    const state = random.below(3) === 0 ? random.pick(EXECUTION_STATES) : "SUCCEEDED";
    rows.set(`${taskId} ${scheduledMs}`, { taskId, scheduledMs, state, startMs, endMs });
  }
  const ancient = { taskId: 1_000_001, state: "FAILED", endMs: PAST_MS } as const;
  const first = { ...ancient, scheduledMs: Date.parse("0001-01-01T00:00:00.001Z"), startMs: PAST_MS };
  const before1970 = { ...ancient, scheduledMs: -1, startMs: 0 };
  return [...rows.values(), first, before1970];
}

/** What must come out for these rows, by their definition alone. */
function expected(rows: readonly PastRow[]) {
  const counts: Record<string, number> = {};
  for (const { state } of rows) counts[state] = (counts[state] ?? 0) + 1;
  const ended = rows.filter(({ state }) => state === "SUCCEEDED" || state === "FAILED");
  const latenesses = ended.flatMap((row) => (row.startMs === null ? [] : [row.startMs - row.scheduledMs]));
  const durations = ended.flatMap((row) =>
    row.startMs === null || row.endMs === null ? [] : [row.endMs - row.startMs],
  );
  return { counts, latenesses, durations };
}

function countsOf(counts: readonly ExecutionStateCount[]): Record<string, number> {
  return Object.fromEntries(counts.map(({ state, count }) => [ExecutionState[state], Number(count)]));
}

function expectSummary(summary: LatencySummary | undefined, timesMs: readonly number[], hasHistogram: boolean): void {
  expect(Number(summary?.count ?? 0)).toBe(timesMs.length);
  if (timesMs.length === 0 || summary === undefined) return;
  const sorted = timesMs.map((timeMs) => Math.max(timeMs, 0)).sort((a, b) => a - b);
  const ranks = [
    [summary.p50, 500],
    [summary.p90, 900],
    [summary.p99, 990],
    [summary.p999, 999],
  ] as const;
  for (const [answered, perMille] of ranks) {
    const trueMs = sorted[Math.ceil((sorted.length * perMille) / 1_000) - 1]!;
    expect(Math.abs(durationMs(answered!) - trueMs)).toBeLessThanOrEqual(trueMs < 20 ? 0 : 0.05 * trueMs);
  }
  const [longestMs, maxMs] = [sorted.at(-1)!, durationMs(summary.max!)];
  expect(maxMs).toBeGreaterThanOrEqual(longestMs);
  expect(maxMs).toBeLessThanOrEqual(Math.max(longestMs * 1.1, 20));
  expect(summary.histogram.length > 0).toBe(hasHistogram);
  for (const { lowerBound, upperBound, count } of summary.histogram) {
    const [lowestMs, highestMs] = [durationMs(lowerBound!), durationMs(upperBound!)];
    expect(sorted.filter((timeMs) => timeMs >= lowestMs && timeMs <= highestMs).length).toBe(Number(count));
  }
  const total = summary.histogram.reduce((sum, { count }) => sum + Number(count), 0);
  if (hasHistogram) expect(total).toBe(timesMs.length);
}

function expectAnswer(answer: SummarizeExecutionsResponse, rows: readonly PastRow[]): void {
  const [fromMs, toMs] = [millisOf(answer.startTime), millisOf(answer.endTime)];
  const within = (startMs: number, endMs: number) =>
    rows.filter(({ scheduledMs }) => scheduledMs >= startMs && scheduledMs < endMs);
  const all = expected(within(fromMs, toMs));
  expect(countsOf(answer.counts)).toEqual(all.counts);
  expectSummary(answer.lateness, all.latenesses, all.latenesses.length > 0);
  expectSummary(answer.duration, all.durations, all.durations.length > 0);
  let beginMs = fromMs;
  for (const bucket of answer.buckets) {
    expect(millisOf(bucket.startTime)).toBe(beginMs);
    beginMs = millisOf(bucket.endTime);
    const part = expected(within(millisOf(bucket.startTime), beginMs));
    expect(countsOf(bucket.counts)).toEqual(part.counts);
    expectSummary(bucket.lateness, part.latenesses, false);
    expectSummary(bucket.duration, part.durations, false);
  }
  expect(beginMs).toBe(toMs);
}

const iso = (timeMs: number) => new Date(timeMs).toISOString().replace(".000", "");
const between = (afterMs: number, beforeMs: number) => {
  return { scheduledAfter: timestampFromMs(afterMs), scheduledBefore: timestampFromMs(beforeMs) };
};
const bucketOf = (bucketMs: number) => ({ bucket: { seconds: BigInt(bucketMs / SECOND_MS) } });

describe("over all", () => {
  it.each<[string, object, number]>([
    ["three days", between(PAST_MS, PAST_MS + PAST_DAYS * DAY_MS), 1],
    ["three days by hours", { ...between(PAST_MS, PAST_MS + 3 * DAY_MS), ...bucketOf(HOUR_MS) }, 72],
    ["hours from a quarter past on", { ...between(PAST_MS + 3 * SLOT_MS, PAST_MS + DAY_MS), ...bucketOf(HOUR_MS) }, 24],
    ["days from half past on", { ...between(PAST_MS + 6 * SLOT_MS, PAST_MS + 3 * DAY_MS), ...bucketOf(DAY_MS) }, 3],
    ["each five minutes of a day", { ...between(PAST_MS, PAST_MS + DAY_MS), ...bucketOf(SLOT_MS) }, 288],
    ["a millisecond, rounded outward", between(PAST_MS + 7 * SLOT_MS + 1, PAST_MS + 7 * SLOT_MS + 2), 1],
    ["half a day and a bit", { ...between(PAST_MS - 1, PAST_MS + DAY_MS / 2 + 1), ...bucketOf(7 * HOUR_MS) }, 2],
    ["nothing", between(PAST_MS - 10 * DAY_MS, PAST_MS - 9 * DAY_MS), 1],
    ["before 1970", { ...between(-2 * HOUR_MS, HOUR_MS), ...bucketOf(2 * HOUR_MS) }, 2],
    ["all years", between(Date.parse("0001-01-01T00:00:00Z"), PAST_MS + 4 * DAY_MS), 1],
  ])("%s", async (_, request, buckets) => {
    const answer = await fixture.client.call("summarizeExecutions", request);
    expect(answer.buckets).toHaveLength(buckets);
    expectAnswer(answer, past);
  });

  it("says to what it has rounded", async () => {
    const answer = await fixture.client.call("summarizeExecutions", between(PAST_MS + 1, PAST_MS + SLOT_MS + 1));
    expect([answer.startTime, answer.endTime].map(millisOf)).toEqual([PAST_MS, PAST_MS + 2 * SLOT_MS]);
  });

  it("is of the last day unless told otherwise", async () => {
    const answer = await fixture.client.call("summarizeExecutions", {});
    const endMs = millisOf(answer.endTime);
    expect(Math.abs(endMs - Date.now())).toBeLessThan(2 * SLOT_MS);
    expect(endMs - millisOf(answer.startTime)).toBeLessThanOrEqual(DAY_MS + SLOT_MS);
    expect(endMs - millisOf(answer.startTime)).toBeGreaterThanOrEqual(DAY_MS);
  });
});

describe("of one task", () => {
  const taskId = 1_000_001;
  const own = past.filter((row) => row.taskId === taskId);

  it.each<[string, object, number]>([
    ["three days", between(PAST_MS, PAST_MS + PAST_DAYS * DAY_MS), 1],
    ["by minutes", { ...between(PAST_MS, PAST_MS + HOUR_MS), ...bucketOf(MINUTE_MS) }, 60],
    ["to the second", { ...between(PAST_MS + 61_001, PAST_MS + 361_001), ...bucketOf(7 * SECOND_MS) }, 43],
    ["all years", between(Date.parse("0001-01-01T00:00:00Z"), Date.parse("9999-12-31T23:59:59.999Z")), 1],
  ])("%s", async (_, request, buckets) => {
    const answer = await fixture.client.call("summarizeExecutions", { taskId, ...request });
    expect(answer.buckets).toHaveLength(buckets);
    expectAnswer(answer, own);
  });

  it("that there is not: nothing", async () => {
    const answer = await fixture.client.call("summarizeExecutions", { taskId: 4_294_967_295 });
    expect(answer).toMatchObject({ counts: [], lateness: { count: 0n, histogram: [] }, duration: { count: 0n } });
    expect(answer.lateness?.p50).toBeUndefined();
  });
});

it.each(CLIENTS)("answers the same to %s", async (name) => {
  const requests = [
    { ...between(PAST_MS, PAST_MS + DAY_MS), ...bucketOf(4 * HOUR_MS) },
    { ...between(PAST_MS, PAST_MS + DAY_MS), ...bucketOf(4 * HOUR_MS), taskId: 1_000_002 },
  ];
  for (const request of requests) {
    const answer = await fixture.clients[name].call("summarizeExecutions", request);
    expect(answer).toEqual(await fixture.client.call("summarizeExecutions", request));
  }
});

it.each<[string, object, string[]]>([
  ["an end before the beginning", between(PAST_MS, PAST_MS - 1), ["scheduled_before"]],
  ["a beginning that is not yet", { scheduledAfter: at("2900-01-01T00:00:00Z") }, ["scheduled_after"]],
  ["a bucket finer than is counted", bucketOf(MINUTE_MS), ["bucket"]],
  ["more than a thousand buckets", { taskId: 1, ...bucketOf(SECOND_MS) }, ["bucket"]],
  [
    "all that is wrong",
    { scheduledAfter: { seconds: 0n, nanos: -1 }, scheduledBefore: { nanos: -1 }, bucket: {} },
    ["bucket", "scheduled_after", "scheduled_before"],
  ],
])("refuses %s", async (_, request, fields) => {
  const fault = await faultOf(fixture.client.call("summarizeExecutions", request as never));
  expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields });
});

it("in JSON, as a script asks", async () => {
  const response = await fetch(`${fixture.api.httpUrl}/taskscheduler.v1.ExecutionService/SummarizeExecutions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      scheduledAfter: iso(PAST_MS),
      scheduledBefore: iso(PAST_MS + 12 * HOUR_MS),
      bucket: "3600s",
    }),
  });
  const answer = (await response.json()) as { buckets: object[]; counts: object[]; lateness: object; endTime: string };
  expect(answer.buckets).toHaveLength(12);
  expect(answer.buckets[0]).toMatchObject({ startTime: iso(PAST_MS), endTime: iso(PAST_MS + HOUR_MS) });
  expect(answer.counts).toContainEqual({ state: "EXECUTION_STATE_SUCCEEDED", count: expect.any(String) });
  expect(answer.lateness).toMatchObject({ p99: expect.stringMatching(/^\d+(\.\d+)?s$/) });
});

it("the migration sorts into the domain's bins", () => {
  const script = readFileSync(join(root, "migrations/0008-summaries.up.sql"), "utf8");
  const lists = [...script.matchAll(/DIV 1000,([\d,\s]+)\)/g)].map(([, list]) => list!.split(",").map(Number));
  expect(lists).toEqual([LATENCY_BIN_FLOORS_MS.slice(1), LATENCY_BIN_FLOORS_MS.slice(1)]);
  expect(latencyBin(0)).toBe(0);
});

it("states have the numbers that they have in the table", async () => {
  const [column] = await fixture.query("SHOW COLUMNS FROM executions LIKE 'state'");
  expect(column?.["Type"]).toBe(`enum('${EXECUTION_STATES.join("','")}')`);
});

/** Before and after each step. */
async function expectCounted(): Promise<void> {
  const { counts, ledger } = await countedExecutions(connection);
  expect(counts).toEqual(ledger);
}

it("counts each step of an execution, one that is withdrawn and ran all the same as well", async () => {
  const fleet = grpcClient(SchedulerService, fixture.api.grpcAddress);
  const { incarnation } = await fleet.unary("register", { schedulerId: "by hand", processId: randomUUID() });
  const dueMs = Date.now() + 5_000;
  const names = ["runs", "is withdrawn", "is withdrawn and runs", "fails"];
  const ids = await Promise.all(
    names.map(async (name) => {
      const { task } = await fixture.client.call("createTask", {
        task: { name, scheduledTime: timestampFromMs(dueMs) },
      });
      return task!.id;
    }),
  );
  const statesNow = async () => {
    await expectCounted();
    const answer = await fixture.client.call("summarizeExecutions", between(dueMs - 1, dueMs + 1));
    return countsOf(answer.counts);
  };
  const occurrences = ids.map((taskId) => ({ taskId, scheduledTimeMs: BigInt(dueMs) }));
  const { results } = await fleet.unary("claimExecutions", { incarnation, occurrences });
  expect(await statesNow()).toEqual({ CLAIMED: 4 });
  await fleet.unary("claimExecutions", { incarnation, occurrences });
  await fixture.client.call("pauseTask", { id: ids[1]! });
  await fixture.client.call("deleteTask", { id: ids[2]! });
  expect(await statesNow()).toEqual({ CLAIMED: 2, CANCELLED: 2 });
  const report = (index: number, state: ExecutionState, lateMs: number, tookMs: number, error = "") => ({
    ...{ taskId: ids[index]!, scheduledTimeMs: BigInt(dueMs), fence: results[index]!.grant!.fence, state, error },
    ...{ startTimeMs: BigInt(dueMs + lateMs), endTimeMs: BigInt(dueMs + lateMs + tookMs) },
  });
  const reports = [
    report(0, ExecutionState.SUCCEEDED, 3, 0),
    report(2, ExecutionState.SUCCEEDED, 4, 15),
    report(3, ExecutionState.FAILED, 700, 2_000, "why"),
  ];
  for (let sent = 0; sent < 2; sent += 1) {
    expect((await fleet.unary("reportExecutions", { incarnation, reports })).accepted).toEqual([true, true, true]);
    expect(await statesNow()).toEqual({ SUCCEEDED: 2, FAILED: 1, CANCELLED: 1 });
  }
  await fixture.client.call("runTask", { id: ids[0]! });
  await fixture.client.call("runTask", { id: ids[0]!, validateOnly: true });
  await fixture.client.call("deleteTask", { id: ids[0]! });
  await expectCounted();
  await fleet.unary("heartbeat", { incarnation, leaving: true });
  fleet.close();
});

it("counts what a pair runs, and takes out what retention removes", async () => {
  const scheduler = await startScheduler({ apiAddress: fixture.api.grpcAddress });
  await scheduler.ready();
  const scheduledTimes = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "2100-01-01T00:00:00Z"].map(at);
  const tasks = await Promise.all(
    scheduledTimes.map((scheduledTime, index) =>
      fixture.client.call("createTask", { task: { name: `of any time ${index}`, scheduledTime } }),
    ),
  );
  for (let round = 0; round < 5; round += 1) await fixture.client.call("runTask", { id: tasks[2]!.task!.id });
  const unfinished = () =>
    fixture.query("SELECT 1 FROM executions WHERE task_id < 1000000 AND state IN ('PENDING','CLAIMED')");
  await eventually("all have run", async () => {
    const first = await fixture.query(
      "SELECT 1 FROM executions WHERE scheduled_time < '1970-01-01' AND task_id < 1000000",
    );
    return first.length === 2 && (await unfinished()).length === 0;
  });
  await scheduler.stop();
  await expectCounted();

  const env = { EXECUTION_RETENTION_MS: "1000" };
  const [one, other] = await Promise.all([1, 2].map(() => startApi({ databaseUrl: fixture.database.url, env })));
  const clients = clientsOf(one!);
  await Promise.all([one!.ready(), other!.ready()]);
  await eventually(
    "retention has removed all that ended",
    async () => {
      const left = await fixture.query(
        "SELECT 1 FROM executions WHERE state NOT IN ('PENDING','CLAIMED','RUNNING','RETRYING') AND end_time IS NOT NULL",
      );
      const zeros = await fixture.query(
        "SELECT 1 FROM execution_stats WHERE count = 0 AND slot < UNIX_TIMESTAMP() DIV 300 - 12",
      );
      return left.length === 0 && zeros.length === 0;
    },
    60_000,
  );
  await expectCounted();
  const answer = await clients.gRPC.call("summarizeExecutions", between(PAST_MS, PAST_MS + PAST_DAYS * DAY_MS));
  const left = await fixture.query(
    "SELECT state, COUNT(*) AS n FROM executions WHERE scheduled_time BETWEEN ? AND ? GROUP BY state",
    [text(PAST_MS), text(PAST_MS + PAST_DAYS * DAY_MS - 1)],
  );
  expect(countsOf(answer.counts)).toEqual(Object.fromEntries(left.map(({ state, n }) => [state, n])));
  clients.close();
  await one!.stop();
  await other!.stop();
}, 90_000);
