import { connectTo } from "../../test/setup/test-database.js";
import { startChild } from "../child.js";
import { allSucceeded, storeDueTasks } from "../due-tasks.js";
import type { LedgerOrder } from "../floors/ledger-sql.js";
import { withApi } from "../pair.js";
import { alternate, median } from "../rounds.js";
import type { Bench, Workload } from "../workload.js";

export const BURST_TASKS = 20_000;

/** Reminders that are all due at one instant: from that instant until the last is recorded as succeeded, in runs a second. */
export function measureBurst(bench: Bench): Promise<number> {
  return withApi(bench, async (pair) => {
    await pair.startScheduler();
    const dueMs = await storeDueTasks(pair, BURST_TASKS, 0);
    const connection = await connectTo(pair.databaseUrl);
    try {
      await new Promise((resolve) => setTimeout(resolve, dueMs - Date.now()));
      return (BURST_TASKS * 1_000) / ((await allSucceeded(connection, BURST_TASKS)) - dueMs);
    } finally {
      await connection.end();
    }
  });
}

/** The bare SQL that it cannot do without, on as many connections as an API has groups of writes. */
function measureSql(bench: Bench): Promise<number> {
  return withApi(bench, async (pair) => {
    await storeDueTasks(pair, BURST_TASKS, 0);
    const child = startChild<LedgerOrder, number>("floors/ledger-sql.ts");
    const seconds = await child.ask({ url: pair.databaseUrl, connections: 2, batch: 500 }).finally(() => child.stop());
    return BURST_TASKS / seconds;
  });
}

export const burst: Workload = {
  name: "burst",
  async run(bench) {
    const rounds = await alternate(
      { ours: () => measureBurst(bench), floor: () => measureSql(bench) },
      { warmUp: false },
    );
    const [value, floor] = [median(rounds.ours), median(rounds.floor)];
    const ratio = value / floor;
    return [{ name: "burst", value, floor, unit: "runs/s", ratio, goal: ">= 0.5", met: ratio >= 0.5 }];
  },
};
