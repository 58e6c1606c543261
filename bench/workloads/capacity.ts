import { connectTo } from "../../test/setup/test-database.js";
import { startChild } from "../child.js";
import type { Figure } from "../figure.js";
import type { LoadOrder, LoadResult } from "../load/unary-load.js";
import { type Pair, withApi } from "../pair.js";
import { memoryMib } from "../process-usage.js";
import { alternate, median } from "../rounds.js";
import type { Bench, Workload } from "../workload.js";

const MANY = 1_000_000;
const FEW = 10_000;
/** Of them, due within the minute. */
const DUE_SOON = 10_000;
const READY_GOAL_MS = 3_000;
const RATIO_GOAL = 1.2;
const CALLS = 5_000;

interface Measured {
  readonly readyMs: number;
  readonly apiMib: number;
  readonly schedulerMib: number;
  readonly getMs: number;
  readonly createMs: number;
}

/** Whether what one million tasks cost follows what is due, not what is stored. */
export const capacity: Workload = {
  name: "capacity",
  async run(bench) {
    const rounds = await alternate(
      { many: () => measure(bench, MANY), few: () => measure(bench, FEW) },
      { warmUp: false },
    );
    const pairOf = (key: keyof Measured) => ({
      value: median(rounds.many.map((each) => each[key])),
      floor: median(rounds.few.map((each) => each[key])),
    });
    const keys = ["apiMib", "schedulerMib", "getMs", "createMs"] as const;
    const ratios = keys.map((key) => pairOf(key).value / pairOf(key).floor);
    const ratio = Math.max(...ratios);
    const ready = pairOf("readyMs");
    const details = keys.map((key, index): Figure => {
      return { name: `capacity ${NAMES[key]}`, ...pairOf(key), unit: UNITS[key], ratio: ratios[index] ?? 0 };
    });
    return [
      {
        ...{ name: "capacity", value: ratio, floor: 1, unit: "the largest ratio", ratio },
        ...{ goal: `<= ${RATIO_GOAL}`, met: ratio <= RATIO_GOAL },
      },
      {
        ...{ name: "capacity ready", ...ready, unit: "ms from the scheduler's start" },
        ...{ goal: `<= ${READY_GOAL_MS}`, met: ready.value <= READY_GOAL_MS },
      },
      ...details,
    ];
  },
};

const NAMES = { apiMib: "API", schedulerMib: "scheduler", getMs: "get", createMs: "create" } as const;
const UNITS = { apiMib: "MiB", schedulerMib: "MiB", getMs: "ms, p50", createMs: "ms, p50" } as const;

function measure(bench: Bench, stored: number): Promise<Measured> {
  return withApi(bench, async (pair) => {
    await store(pair, stored);
    const client = startChild<LoadOrder, LoadResult>("load/unary-load.ts");
    try {
      const load = (requests: LoadOrder["requests"]): Promise<LoadResult> =>
        client.ask({
          target: { grpcAddress: pair.api.grpcAddress },
          requests,
          connections: 2,
          inFlight: 8,
          calls: CALLS,
        });
      // As much for either to compile and to fill.
      await load({ kind: "getTask", firstId: 1, lastId: stored });
      await load({ kind: "createTask", prefix: "warm" });
      const get = await load({ kind: "getTask", firstId: 1, lastId: stored });
      const create = await load({ kind: "createTask", prefix: "measured" });
      await makeDueSoon(pair, stored);
      const startMs = performance.now();
      const scheduler = await pair.startScheduler();
      const readyMs = performance.now() - startMs;
      return {
        ...{ readyMs, apiMib: memoryMib(pair.api.pid), schedulerMib: memoryMib(scheduler.pid) },
        ...{ getMs: get.p50Ms, createMs: create.p50Ms },
      };
    } finally {
      await client.stop();
    }
  });
}

/** By SQL: how they came there is another figure. */
async function store({ databaseUrl }: Pair, count: number): Promise<void> {
  const connection = await connectTo(databaseUrl);
  await connection.query(
    `INSERT INTO tasks (name, scheduled_time, recurrence, labels, next_run_time)
       SELECT CONCAT('stored ', seq), UTC_TIMESTAMP(3) + INTERVAL 1 YEAR, 'DAILY', '{"team":"a"}',
           UTC_TIMESTAMP(3) + INTERVAL 1 YEAR + INTERVAL seq SECOND
         FROM seq_1_to_${count}`,
  );
  await connection.query("ANALYZE TABLE tasks");
  await connection.end();
}

/** Spread over the table, and over half a minute that begins when the scheduler is there. */
async function makeDueSoon({ databaseUrl }: Pair, stored: number): Promise<void> {
  const connection = await connectTo(databaseUrl);
  await connection.query(
    `UPDATE tasks JOIN seq_1_to_${DUE_SOON} ON id = seq * ${stored / DUE_SOON}
       SET scheduled_time = UTC_TIMESTAMP(3) + INTERVAL (20000000 + seq * 3000) MICROSECOND,
         next_run_time = UTC_TIMESTAMP(3) + INTERVAL (20000000 + seq * 3000) MICROSECOND`,
  );
  await connection.end();
}
