import { latencyBin } from "@taskscheduler/domain";
import type { Connection } from "mariadb";

/** What the counts of executions say, and what they should say by the ledger: a line for each cell that counts any. */
export interface Counted {
  readonly counts: readonly string[];
  readonly ledger: readonly string[];
}

interface LedgerRow {
  readonly at: string;
  readonly state: string;
  readonly stateNumber: number;
  readonly started: string | null;
  readonly ended: string | null;
}

const SLOT_MS = 300_000;
const HOUR_MS = 3_600_000;

/** Reads both as of one moment; the connection's DATETIMEs are to come as text. */
export async function countedExecutions(connection: Connection): Promise<Counted> {
  await connection.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  await connection.query("START TRANSACTION WITH CONSISTENT SNAPSHOT");
  const rows: LedgerRow[] = await connection.query(
    `SELECT scheduled_time AS at, state, state + 0 AS stateNumber, start_time AS started, end_time AS ended
       FROM executions`,
  );
  const stats: Record<string, unknown>[] = await connection.query(
    "SELECT minutes, slot, kind, bin, count FROM execution_stats WHERE count <> 0",
  );
  await connection.query("COMMIT");
  const counts = stats.map(({ minutes, slot, kind, bin, count }) => `${minutes} ${slot} ${kind} ${bin}: ${count}`);
  return { counts: counts.sort(), ledger: cellsOf(rows).sort() };
}

/** Row by row, by nothing but the definition. */
function cellsOf(rows: readonly LedgerRow[]): string[] {
  const cells = new Map<string, number>();
  for (const { at, state, stateNumber, started, ended } of rows) {
    const scheduledMs = millis(at);
    const hasRun = started !== null && (state === "SUCCEEDED" || state === "FAILED");
    const bins = [
      `STATE ${stateNumber}`,
      ...(hasRun ? [`LATENESS ${latencyBin(millis(started) - scheduledMs)}`] : []),
      ...(hasRun && ended !== null ? [`DURATION ${latencyBin(millis(ended) - millis(started))}`] : []),
    ];
    for (const [minutes, spanMs] of [
      [5, SLOT_MS],
      [60, HOUR_MS],
    ] as const) {
      const slot = (Math.floor(scheduledMs / spanMs) * spanMs) / SLOT_MS;
      for (const bin of bins) {
        const key = `${minutes} ${slot} ${bin}`;
        cells.set(key, (cells.get(key) ?? 0) + 1);
      }
    }
  }
  return [...cells].map(([key, count]) => `${key}: ${count}`);
}

const millis = (text: string) => Date.parse(`${text.replace(" ", "T")}Z`);
