import { connectTo } from "../../test/setup/test-database.js";
import { serve } from "../child.js";

/** The driver's own way to insert many rows, into the same table. */
export interface InsertOrder {
  readonly url: string;
  readonly prefix: string;
  readonly calls: number;
  readonly tasksPerCall: number;
}

const CONNECTIONS = 2;

/** @returns the seconds that it took; each batch is committed and flushed */
async function insert({ url, prefix, calls, tasksPerCall }: InsertOrder): Promise<number> {
  const due = "2036-01-01 00:00:00.000";
  const batches = Array.from({ length: calls }, (_, call) =>
    Array.from({ length: tasksPerCall }, (_, index) => [
      ...[
        `${prefix} ${call}.${index}`,
        due,
        "DAILY",
        "Europe/Berlin",
        "sent by the bench",
        '{"team":"a"}',
        "ACTIVE",
        "",
      ],
      ...[due, due, 1, due, due],
    ]),
  );
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => connectTo(url)));
  const startMs = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      for (let rows = batches.pop(); rows !== undefined; rows = batches.pop()) {
        await connection.batch(
          `INSERT INTO tasks (name, scheduled_time, recurrence, time_zone, description, labels, state, pause_reason,
             next_run_time, armed_time, version, create_time, update_time) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)`,
          rows,
        );
      }
    }),
  );
  const seconds = (performance.now() - startMs) / 1_000;
  for (const connection of connections) await connection.end();
  return seconds;
}

serve(insert);
