import type { Connection } from "mariadb";
import type { Pair } from "./pair.js";

/** When the first falls due: storing all before that is part of no figure. */
const LEAD_MS = 8_000;
/** What storing takes for each, with room for a slow machine. */
const STORE_MS_EACH = 0.6;
const POLL_MS = 25;
const GIVE_UP_MS = 180_000;

/** Stores reminders that run once, the n-th `intervalMs` times n after the first. @returns when the first falls due */
export async function storeDueTasks({ client }: Pair, count: number, intervalMs: number): Promise<number> {
  const firstMs = Date.now() + LEAD_MS + count * STORE_MS_EACH;
  const drafts = Array.from({ length: count }, (_, index) => {
    return { name: `due ${index}`, scheduledTimeMs: firstMs + index * intervalMs };
  });
  await client.createAll(drafts);
  if (Date.now() > firstMs - LEAD_MS / 2) throw new Error("storing the tasks took longer than was reckoned with");
  return firstMs;
}

/** Waits until so many executions are recorded as succeeded. @returns when that was seen */
export async function allSucceeded(connection: Connection, count: number): Promise<number> {
  const endMs = Date.now() + GIVE_UP_MS;
  for (;;) {
    const [row] = await connection.query("SELECT COUNT(*) AS n FROM executions WHERE state = 'SUCCEEDED'");
    if (Number(row.n) === count) return Date.now();
    if (Date.now() > endMs) throw new Error(`only ${row.n} of ${count} ran within ${GIVE_UP_MS / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
