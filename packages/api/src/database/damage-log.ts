import { Counter, type Logger, LogPace, type Registry } from "@taskscheduler/runtime";
import type { RowDamage } from "./database.js";

/** The damage of a row is logged once in this time, however often the row is read. */
const INTERVAL_MS = 60_000;

/** Counts and logs the rows that somebody wrote past the API. To be created once for a registry. */
export function createDamageLog(logger: Logger, registry: Registry): (damage: RowDamage) => void {
  const pace = new LogPace({ intervalMs: INTERVAL_MS });
  const rows = new Counter({
    name: "taskscheduler_api_damaged_rows_total",
    help: "Rows that were read and cannot be understood, each time that one was read.",
    labelNames: ["table"],
    registers: [registry],
  });
  return ({ table, key, columns }) => {
    rows.inc({ table });
    if (pace.take(`${table} ${key} ${columns.join(" ")}`) === undefined) return;
    logger.warn({ table, key, columns }, "a row is damaged; what cannot be read is left out");
  };
}
