import type { Connection } from "mariadb";
import { connectTo } from "../../test/setup/test-database.js";
import { serve } from "../child.js";

/** What the ledger of due tasks takes in bare SQL: claim rows, the tasks' next times, and the end of each run. */
export interface LedgerOrder {
  readonly url: string;
  readonly connections: number;
  /** Tasks in a transaction. */
  readonly batch: number;
}

interface DueTask {
  readonly id: number;
  readonly name: string;
  readonly due: string;
}

/** Runs every task of the database. @returns the seconds that it took */
async function runAll({ url, connections, batch }: LedgerOrder): Promise<number> {
  const all = await Promise.all(Array.from({ length: connections }, () => connectTo(url)));
  const reader = await connectTo(url);
  const tasks: DueTask[] = await reader.query(
    "SELECT id, name, DATE_FORMAT(scheduled_time, '%Y-%m-%d %H:%i:%s.%f') AS due FROM tasks ORDER BY id",
  );
  await reader.end();
  const batches: DueTask[][] = [];
  for (let from = 0; from < tasks.length; from += batch) batches.push(tasks.slice(from, from + batch));
  const startMs = performance.now();
  await Promise.all(
    all.map(async (connection) => {
      for (let part = batches.shift(); part !== undefined; part = batches.shift()) await runBatch(connection, part);
    }),
  );
  const seconds = (performance.now() - startMs) / 1_000;
  for (const connection of all) await connection.end();
  return seconds;
}

async function runBatch(connection: Connection, tasks: readonly DueTask[]): Promise<void> {
  const ids = tasks.map(({ id }) => id);
  await connection.query("BEGIN");
  await connection.query(
    `INSERT INTO executions (task_id, scheduled_time, task_name, trigger_kind, state, attempt, fence, incarnation,
       scheduler_id, claim_time) VALUES ${tasks.map(() => "(?,?,?,'SCHEDULE','CLAIMED',1,1,1,'floor',UTC_TIMESTAMP(3))").join(",")}`,
    tasks.flatMap(({ id, name, due }) => [id, due, name]),
  );
  await connection.query("UPDATE tasks SET next_run_time = NULL WHERE id IN (?)", [ids]);
  await connection.query("COMMIT");
  await connection.query(
    // Left to itself the optimizer takes the index by time, which they all share.
    `UPDATE executions FORCE INDEX (PRIMARY) SET state = 'SUCCEEDED', start_time = UTC_TIMESTAMP(3), end_time = UTC_TIMESTAMP(3)
       WHERE (task_id, scheduled_time) IN (${tasks.map(() => "(?,?)").join(",")})`,
    tasks.flatMap(({ id, due }) => [id, due]),
  );
}

serve(runAll);
