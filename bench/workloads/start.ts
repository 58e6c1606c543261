import type { Figure } from "../figure.js";
import { withApi } from "../pair.js";
import { memoryMib } from "../process-usage.js";
import { median } from "../rounds.js";
import type { Bench, Workload } from "../workload.js";

const ROUNDS = 3;
/** What a start has left behind is collected by then. */
const REST_MS = 10_000;

/** How long each process takes to be ready on an empty database that is migrated, and what it holds at rest. */
export const start: Workload = {
  name: "start",
  async run(bench) {
    const rounds: Awaited<ReturnType<typeof measure>>[] = [];
    for (let round = 0; round < ROUNDS; round += 1) rounds.push(await measure(bench));
    const figure = (name: string, unit: string, key: keyof (typeof rounds)[number]): Figure => {
      return { name: `start ${name}`, value: median(rounds.map((each) => each[key])), unit };
    };
    return [
      figure("API", "ms until ready", "apiMs"),
      figure("API at rest", "MiB", "apiMib"),
      figure("scheduler", "ms until ready", "schedulerMs"),
      figure("scheduler at rest", "MiB", "schedulerMib"),
    ];
  },
};

function measure(bench: Bench) {
  return withApi(bench, async (pair) => {
    const [apiMs, api] = await timed(() => pair.startApi());
    const [schedulerMs, scheduler] = await timed(() => pair.startScheduler());
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    return { apiMs, schedulerMs, apiMib: memoryMib(api.pid), schedulerMib: memoryMib(scheduler.pid) };
  });
}

async function timed<T>(work: () => Promise<T>): Promise<[ms: number, result: T]> {
  const startMs = performance.now();
  const result = await work();
  return [performance.now() - startMs, result];
}
