import type { Connection } from "mariadb";
import { connectTo } from "../../test/setup/test-database.js";
import { startChild } from "../child.js";
import type { EditOrder } from "../load/edit-load.js";
import type { WatchAnswer, WatchOrder } from "../load/watch-load.js";
import { type Pair, withApi } from "../pair.js";
import { alternate, median, quantile } from "../rounds.js";
import type { Workload } from "../workload.js";

const WATCHERS = 100;
const PER_SECOND = 500;
const EDITS = 5_000;
/** Of these, the first: the loads' processes are new, and compile what they run in it. */
const WARM_UP_EDITS = 500;
const TASKS = 1_000;
const GOAL_MS = 50;
/** Reads that one watcher has more or less of by chance. */
const READS_MARGIN = 1.5;

interface Measured {
  /** From the acknowledgement of a change, which follows its commit at once, to its arrival; over all watchers. */
  readonly p99Ms: number;
  /** Of the database, while the changes came. */
  readonly selectsPerSecond: number;
}

export const watch: Workload = {
  name: "watch",
  run: (bench) =>
    withApi(bench, async (pair) => {
      const connection = await connectTo(pair.databaseUrl);
      const ids = await storeTasks(pair);
      try {
        const rounds = await alternate({
          ours: () => measure(pair, connection, ids, WATCHERS),
          floor: () => measure(pair, connection, ids, 1),
        });
        const of = (side: keyof typeof rounds, key: keyof Measured) => median(rounds[side].map((each) => each[key]));
        const pairOf = (key: keyof Measured) => ({ value: of("ours", key), floor: of("floor", key) });
        const [late, reads] = [pairOf("p99Ms"), pairOf("selectsPerSecond")];
        const met = late.value <= GOAL_MS;
        return [
          { name: "watch", ...late, unit: "ms, p99", ratio: late.value / late.floor, goal: `<= ${GOAL_MS} ms`, met },
          {
            ...{ name: "watch reads", ...reads, unit: "SELECTs/s", ratio: reads.value / reads.floor },
            ...{ goal: `<= ${READS_MARGIN}`, met: reads.value <= READS_MARGIN * reads.floor },
          },
        ];
      } finally {
        await connection.end();
      }
    }),
};

async function storeTasks({ client }: Pair): Promise<number[]> {
  const scheduledTimeMs = Date.now() + 365 * 86_400_000;
  const drafts = Array.from({ length: TASKS }, (_, index) => ({ name: `watched ${index}`, scheduledTimeMs }));
  return (await client.createAll(drafts)).map(({ id }) => id);
}

async function measure(
  pair: Pair,
  connection: Connection,
  ids: readonly number[],
  watchers: number,
): Promise<Measured> {
  const { grpcAddress } = pair.api;
  const watching = startChild<WatchOrder, WatchAnswer>("load/watch-load.ts");
  const editing = startChild<EditOrder, Float64Array>("load/edit-load.ts");
  try {
    const resumeToken = await currentToken(pair);
    await watching.ask({ kind: "open", grpcAddress, watchers, resumeToken, changes: EDITS });
    const before = await countSelects(connection);
    const acknowledged = await editing.ask({ grpcAddress, ids, edits: EDITS, perSecond: PER_SECOND });
    const selects = (await countSelects(connection)) - before;
    const arrivals = await watching.ask({ kind: "collect" });
    const latenciesMs = arrivals.flatMap((times) =>
      [...times].map((time, index) => time - (acknowledged[index] ?? 0)).slice(WARM_UP_EDITS),
    );
    return { p99Ms: Math.max(0, quantile(latenciesMs, 0.99)), selectsPerSecond: (selects * PER_SECOND) / EDITS };
  } finally {
    await watching.stop();
    await editing.stop();
  }
}

async function currentToken({ client }: Pair): Promise<string> {
  const stream = client.tasks.stream("watchTasks", {});
  try {
    for await (const { resumeToken } of stream) if (resumeToken !== "") return resumeToken;
    throw new Error("the stream ended before its snapshot was complete");
  } finally {
    stream.cancel();
  }
}

async function countSelects(connection: Connection): Promise<number> {
  const [row] = await connection.query("SHOW GLOBAL STATUS LIKE 'Com_select'");
  return Number(row.Value);
}
