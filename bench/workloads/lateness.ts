import { connectTo } from "../../test/setup/test-database.js";
import { startChild } from "../child.js";
import { allSucceeded, storeDueTasks } from "../due-tasks.js";
import type { JobsOrder } from "../floors/bare-jobs.js";
import { withApi } from "../pair.js";
import { alternate, median, quantile } from "../rounds.js";
import type { Bench, Workload } from "../workload.js";

export const LATENESS_TASKS = 30_000;
/** A thousand a second. */
export const LATENESS_INTERVAL_MS = 1;
/** What a store may add to the library's own lateness. */
const MARGIN_MS = 10;

export interface Lateness {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Start less scheduled time, as the ledger has it. */
export function measureLateness(bench: Bench): Promise<Lateness> {
  return withApi(bench, async (pair) => {
    await pair.startScheduler();
    await storeDueTasks(pair, LATENESS_TASKS, LATENESS_INTERVAL_MS);
    const connection = await connectTo(pair.databaseUrl);
    try {
      await allSucceeded(connection, LATENESS_TASKS);
      const rows: { us: bigint }[] = await connection.query(
        "SELECT TIMESTAMPDIFF(MICROSECOND, scheduled_time, start_time) AS us FROM executions",
      );
      return latenessOf(rows.map(({ us }) => Number(us) / 1_000));
    } finally {
      await connection.end();
    }
  });
}

export function latenessOf(latenessesMs: readonly number[]): Lateness {
  if (latenessesMs.some((each) => each < 0)) throw new Error("something ran before its time");
  return { p50Ms: quantile(latenessesMs, 0.5), p99Ms: quantile(latenessesMs, 0.99) };
}

async function measureBareJobs(): Promise<Lateness> {
  const child = startChild<JobsOrder, number[]>("floors/bare-jobs.ts");
  const order = { count: LATENESS_TASKS, intervalMs: LATENESS_INTERVAL_MS };
  return latenessOf(await child.ask(order).finally(() => child.stop()));
}

export const lateness: Workload = {
  name: "lateness",
  async run(bench) {
    const rounds = await alternate({ ours: () => measureLateness(bench), floor: measureBareJobs }, { warmUp: false });
    const of = (side: keyof typeof rounds, key: keyof Lateness) => median(rounds[side].map((each) => each[key]));
    const [value, floor] = [of("ours", "p99Ms"), of("floor", "p99Ms")];
    const met = value <= floor + MARGIN_MS;
    return [
      { name: "lateness", value, floor, unit: "ms, p99", goal: `<= floor + ${MARGIN_MS}`, met },
      { name: "lateness p50", value: of("ours", "p50Ms"), floor: of("floor", "p50Ms"), unit: "ms" },
    ];
  },
};
