import type { SqlConnection } from "../database.js";
import type { OriginalColumn } from "./original-table.js";
import type { SchemaFault } from "./schema-refused-error.js";

export interface KeyPart {
  readonly key: string;
  readonly isUnique: boolean;
  readonly column: string;
  /** Whether the key holds the beginning of the value alone. */
  readonly isPrefix: boolean;
}

/** The keys of `tasks` by their names, each with its parts. */
export type OriginalKeys = ReadonlyMap<string, readonly KeyPart[]>;

export async function readKeys(connection: SqlConnection): Promise<OriginalKeys> {
  const rows: { key: string; duplicates: number; column: string; length: number | null }[] = await connection.query(
    `SELECT INDEX_NAME AS \`key\`, NON_UNIQUE AS duplicates, LOWER(COLUMN_NAME) AS \`column\`, SUB_PART AS length
       FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'tasks'
       ORDER BY INDEX_NAME, SEQ_IN_INDEX`,
  );
  const parts = rows.map(({ key, duplicates, column, length }) => {
    return { key, isUnique: duplicates === 0, column, isPrefix: length !== null };
  });
  const keys = new Map<string, KeyPart[]>();
  for (const part of parts) keys.set(part.key, [...(keys.get(part.key) ?? []), part]);
  return keys;
}

export function isNameUnique(keys: OriginalKeys): boolean {
  return [...keys.values()].some(
    ([first, ...others]) => first?.isUnique && first.column === "name" && !first.isPrefix && others.length === 0,
  );
}

/** Keys that would refuse a task that we may create, or that do not survive the conversion. */
export function findKeyFaults(columns: readonly OriginalColumn[], keys: OriginalKeys): SchemaFault[] {
  const faults: SchemaFault[] = [];
  const primary = keys.get("PRIMARY") ?? [];
  if (primary.length !== 1 || primary[0]?.column !== "id") {
    faults.push({ fault: "the primary key of `tasks` is not `id`", remedy: "Make `id` the primary key of `tasks`." });
  }
  const isNullByDefault = (name: string) => columns.some((column) => column.name === name && column.isNullByDefault);
  for (const [key, parts] of keys) {
    const isHarmless = parts.some(
      ({ isUnique, column, isPrefix }) =>
        !isUnique ||
        (!isPrefix && (column === "id" || column === "name")) ||
        (isNullByDefault(column) && !isTyped(column)),
    );
    if (!isHarmless) {
      const fault = `unique key \`${key}\` of \`tasks\` would refuse tasks whose names differ`;
      faults.push({ fault, remedy: `Drop the key \`${key}\`, or make it not unique.` });
    }
    if (parts.some(({ column, isPrefix }) => column === "recurrence" && isPrefix)) {
      const fault = `key \`${key}\` of \`tasks\` holds a prefix of \`recurrence\`, which becomes an ENUM`;
      faults.push({ fault, remedy: `Drop the key \`${key}\`.` });
    }
  }
  return faults;
}

/** The columns that TaskScheduler writes. */
function isTyped(column: string): boolean {
  return ["id", "name", "scheduled_time", "recurrence"].includes(column);
}
