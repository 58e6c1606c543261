import { RECURRENCES } from "@taskscheduler/domain";
import type { SqlConnection } from "../database.js";
import type { SchemaFault } from "./schema-refused-error.js";

/** Rows that the original's table may hold and ours cannot. */
interface RowRule {
  readonly column: string;
  readonly isBroken: string;
  readonly fault: string;
  readonly remedy: string;
}

const RECURRENCE_LIST = RECURRENCES.map((name) => `'${name}'`).join(", ");

const RULES: readonly RowRule[] = [
  {
    column: "id",
    isBroken: "id < 1 OR id > 2147483647",
    fault: "outside 1 to 2147483647",
    remedy: "Give these tasks ids from 1 to 2147483647, or delete them.",
  },
  {
    column: "name",
    isBroken: "name IS NULL OR CHAR_LENGTH(name) > 255",
    fault: "NULL or longer than 255 characters",
    remedy: "Give these tasks names of at most 255 characters.",
  },
  {
    column: "scheduled_time",
    isBroken: "scheduled_time + INTERVAL 0 SECOND IS NULL",
    fault: "NULL, a zero date or no day of the calendar",
    remedy: "Set `scheduled_time` of these tasks to a date and time, or delete them.",
  },
  {
    column: "recurrence",
    isBroken: `recurrence IS NOT NULL
      AND CONVERT(UPPER(TRIM(TRAILING ' ' FROM recurrence)) USING utf8mb4) COLLATE utf8mb4_bin NOT IN (${RECURRENCE_LIST})`,
    fault: "no recurrence of the original system",
    remedy: `Set \`recurrence\` of these tasks to NULL or to one of ${RECURRENCES.join(", ")}.`,
  },
];

const REPEATED_NAMES = `(SELECT id, ROW_NUMBER() OVER (
    PARTITION BY CONVERT(name USING utf8mb4) COLLATE utf8mb4_nopad_bin ORDER BY id) AS nth
  FROM tasks WHERE name IS NOT NULL) AS numbered`;

/** @param columns those whose type allows to judge their values */
export async function findRowFaults(
  connection: SqlConnection,
  columns: readonly string[],
  isNameUnique: boolean,
): Promise<SchemaFault[]> {
  const faults: SchemaFault[] = [];
  for (const { column, isBroken, fault, remedy } of RULES) {
    if (!columns.includes(column)) continue;
    const rows = await countRows(connection, "tasks", isBroken);
    if (rows !== undefined) faults.push({ fault: `\`tasks\`.\`${column}\` is ${fault} in ${rows}`, remedy });
  }
  if (columns.includes("name") && !isNameUnique) {
    const rows = await countRows(connection, REPEATED_NAMES, "nth > 1");
    const remedy = "Rename these tasks, so that every task has a name of its own.";
    if (rows !== undefined) faults.push({ fault: `\`tasks\`.\`name\` repeats an earlier task's in ${rows}`, remedy });
  }
  return faults;
}

/** @returns "3 rows (the first id is 7)"; undefined where there is none */
async function countRows(connection: SqlConnection, from: string, where: string): Promise<string | undefined> {
  // As text: an id may be larger than a number can hold.
  const rows: { count: number; first: string }[] = await connection.query(
    `SELECT COUNT(*) AS count, CAST(MIN(id) AS CHAR) AS first FROM ${from} WHERE ${where}`,
  );
  const { count = 0, first = "" } = rows[0] ?? {};
  if (count === 0) return undefined;
  return `${count} ${count === 1 ? "row" : "rows"} (the first id is ${first})`;
}
