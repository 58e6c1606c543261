import { RECURRENCES } from "@taskscheduler/domain";
import type { SqlConnection } from "../database.js";
import type { OriginalColumn } from "./original-table.js";
import type { SchemaFault } from "./schema-refused-error.js";

const UNKNOWN_COLUMN_ERRNO = 1054;

/** Foreign keys of the app's that hold a column whose type changes. */
export async function findForeignKeyFaults(
  connection: SqlConnection,
  columns: readonly OriginalColumn[],
): Promise<SchemaFault[]> {
  const converted = ["name", "scheduled_time", "recurrence"];
  const id = columns.find(({ name }) => name === "id");
  if (id?.type !== "int" || id.fullType.includes("unsigned")) converted.push("id");
  const rows: { key: string; table: string; column: string }[] = await connection.query(
    `SELECT CONSTRAINT_NAME AS \`key\`, TABLE_NAME AS \`table\`,
         LOWER(IF(REFERENCED_TABLE_NAME = 'tasks' AND LOWER(REFERENCED_COLUMN_NAME) IN (?), REFERENCED_COLUMN_NAME, COLUMN_NAME)) AS \`column\`
       FROM information_schema.KEY_COLUMN_USAGE
       WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_SCHEMA = DATABASE()
         AND ((REFERENCED_TABLE_NAME = 'tasks' AND LOWER(REFERENCED_COLUMN_NAME) IN (?))
           OR (TABLE_NAME = 'tasks' AND LOWER(COLUMN_NAME) IN (?)))
       ORDER BY CONSTRAINT_NAME`,
    [converted, converted, converted],
  );
  return rows.map(({ key, table, column }) => ({
    fault: `foreign key \`${key}\` of \`${table}\` holds \`tasks\`.\`${column}\`, whose type must change`,
    remedy: `Drop the foreign key \`${key}\`.`,
  }));
}

/** CHECK constraints that forbid a recurrence as we write it. MODIFY drops those that belong to the column itself. */
export async function findCheckFaults(connection: SqlConnection): Promise<SchemaFault[]> {
  const rows: { name: string; clause: string }[] = await connection.query(
    `SELECT CONSTRAINT_NAME AS name, CHECK_CLAUSE AS clause FROM information_schema.CHECK_CONSTRAINTS
       WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME = 'tasks' AND LEVEL = 'Table'
         AND LOWER(CHECK_CLAUSE) LIKE '%\`recurrence\`%'`,
  );
  const faults: SchemaFault[] = [];
  for (const { name, clause } of rows) {
    if (await allowsRecurrences(connection, clause)) continue;
    const fault = `constraint \`${name}\` of \`tasks\` forbids a recurrence that TaskScheduler writes`;
    faults.push({ fault, remedy: `Drop the constraint \`${name}\`.` });
  }
  return faults;
}

async function allowsRecurrences(connection: SqlConnection, clause: string): Promise<boolean> {
  const values = RECURRENCES.map((name) => `SELECT '${name}' COLLATE utf8mb4_bin AS recurrence`).join(" UNION ALL ");
  try {
    const rows: { allowed: number | null }[] = await connection.query(
      `SELECT MIN(${clause}) AS allowed FROM (${values} UNION ALL SELECT NULL) AS \`tasks\``,
    );
    return rows[0]?.allowed !== 0;
  } catch (error) {
    // The constraint compares the recurrence with another column, so that no value alone is safe.
    if (error instanceof Error && "errno" in error && error.errno === UNKNOWN_COLUMN_ERRNO) return false;
    throw error;
  }
}
