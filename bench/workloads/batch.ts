import { startChild } from "../child.js";
import type { InsertOrder } from "../floors/batch-insert.js";
import type { BatchOrder } from "../load/batch-load.js";
import { withApi } from "../pair.js";
import { alternate, median } from "../rounds.js";
import type { Workload } from "../workload.js";

const CALLS = 30;
const TASKS_PER_CALL = 1_000;

/** Tasks by the thousand, against the driver's batch INSERT into the same table. */
export const batch: Workload = {
  name: "batch",
  run: (bench) =>
    withApi(bench, async ({ api, databaseUrl }) => {
      const ours = startChild<BatchOrder, number>("load/batch-load.ts");
      const floor = startChild<InsertOrder, number>("floors/batch-insert.ts");
      const size = { calls: CALLS, tasksPerCall: TASKS_PER_CALL };
      let round = 0;
      const prefix = () => `round ${round++}`;
      try {
        const rounds = await alternate({
          ours: () => ours.ask({ ...size, prefix: prefix(), grpcAddress: api.grpcAddress }),
          floor: () => floor.ask({ ...size, prefix: prefix(), url: databaseUrl }),
        });
        const perSecond = (seconds: readonly number[]) => (CALLS * TASKS_PER_CALL) / median(seconds);
        const [value, bare] = [perSecond(rounds.ours), perSecond(rounds.floor)];
        const ratio = value / bare;
        return [{ name: "batch", value, floor: bare, unit: "tasks/s", ratio, goal: ">= 0.4", met: ratio >= 0.4 }];
      } finally {
        await ours.stop();
        await floor.stop();
      }
    }),
};
