import type { SqlConnection } from "../database.js";
import { findCheckFaults, findForeignKeyFaults } from "./original-constraints.js";
import { findKeyFaults, isNameUnique, readKeys } from "./original-keys.js";
import { findRowFaults } from "./original-rows.js";
import type { SchemaFault } from "./schema-refused-error.js";

export interface OriginalColumn {
  readonly name: string;
  readonly type: string;
  readonly fullType: string;
  /** Whether each INSERT must name a value. */
  readonly isRequired: boolean;
  /** Whether an INSERT that names no value leaves NULL, which unique keys do not compare. */
  readonly isNullByDefault: boolean;
}

const TEXT_TYPES = ["char", "varchar", "tinytext", "text", "mediumtext", "longtext"];
/** The types that the migration converts without a loss, by column of the original system. */
const TYPES: ReadonlyMap<string, readonly string[]> = new Map([
  ["id", ["tinyint", "smallint", "mediumint", "int", "bigint"]],
  ["name", TEXT_TYPES],
  ["scheduled_time", ["date", "datetime", "timestamp"]],
  ["recurrence", [...TEXT_TYPES, "enum"]],
]);
const TYPE_NAMES: ReadonlyMap<string, string> = new Map([
  ["id", "an integer type"],
  ["name", "a text type"],
  ["scheduled_time", "DATETIME, TIMESTAMP or DATE"],
  ["recurrence", "an ENUM or a text type"],
]);
const LAST_ID = 2_147_483_647;

/**
 * Judges a table `tasks` that no step of ours has made. No fault: the table is the original system's, in a shape that
 * converts to ours without the loss of a row. Reads alone.
 */
export async function findOriginalFaults(connection: SqlConnection): Promise<SchemaFault[]> {
  const columns = await readColumns(connection);
  const missing = [...TYPES.keys()].filter((name) => !columns.some((column) => column.name === name));
  if (missing.length > 0) {
    const fault = `table \`tasks\` is not the original system's: it lacks ${missing.map((name) => `\`${name}\``).join(", ")}`;
    return [{ fault, remedy: "Give TaskScheduler a database of its own, or rename the table." }];
  }
  const keys = await readKeys(connection);
  const usable = columns.filter(({ name, type }) => TYPES.get(name)?.includes(type)).map(({ name }) => name);
  return [
    ...findColumnFaults(columns),
    ...(await findTableFaults(connection)),
    ...findKeyFaults(columns, keys),
    ...(await findForeignKeyFaults(connection, columns)),
    ...(await findCheckFaults(connection)),
    ...(await findRowFaults(connection, usable, isNameUnique(keys))),
  ];
}

async function readColumns(connection: SqlConnection): Promise<OriginalColumn[]> {
  const rows: { name: string; type: string; fullType: string; required: number; nullByDefault: number }[] =
    await connection.query(
      `SELECT LOWER(COLUMN_NAME) AS name, DATA_TYPE AS type, COLUMN_TYPE AS fullType,
           IS_NULLABLE = 'NO' AND COLUMN_DEFAULT IS NULL AND DATA_TYPE <> 'enum'
             AND EXTRA NOT LIKE '%GENERATED%' AND EXTRA NOT LIKE '%auto_increment%' AS required,
           IS_NULLABLE = 'YES' AND COALESCE(COLUMN_DEFAULT, 'NULL') = 'NULL' AND EXTRA NOT LIKE '%GENERATED%' AS nullByDefault
         FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'tasks' ORDER BY ORDINAL_POSITION`,
    );
  return rows.map(({ name, type, fullType, required, nullByDefault }) => {
    return { name, type, fullType, isRequired: required === 1, isNullByDefault: nullByDefault === 1 };
  });
}

function findColumnFaults(columns: readonly OriginalColumn[]): SchemaFault[] {
  return columns.flatMap(({ name, type, fullType, isRequired }) => {
    const types = TYPES.get(name);
    if (types === undefined && isRequired) {
      const fault = `\`tasks\`.\`${name}\` takes no NULL and has no default, so that TaskScheduler could create no task`;
      return [{ fault, remedy: `Give \`tasks\`.\`${name}\` a default, or let it be NULL.` }];
    }
    if (types === undefined || types.includes(type)) return [];
    const remedy = `Change \`tasks\`.\`${name}\` to ${TYPE_NAMES.get(name)}.`;
    return [{ fault: `\`tasks\`.\`${name}\` is of the type ${fullType}`, remedy }];
  });
}

async function findTableFaults(connection: SqlConnection): Promise<SchemaFault[]> {
  const [table]: { type: string; options: string; nextId: string | null }[] = await connection.query(
    `SELECT TABLE_TYPE AS type, CREATE_OPTIONS AS options, CAST(AUTO_INCREMENT AS CHAR) AS nextId
       FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'tasks'`,
  );
  const faults: SchemaFault[] = [];
  if (table?.type !== "BASE TABLE") {
    faults.push({ fault: "table `tasks` has system versioning", remedy: "Drop the system versioning of `tasks`." });
  }
  if (table?.options.includes("partitioned")) {
    faults.push({ fault: "table `tasks` is partitioned", remedy: "Remove the partitioning of `tasks`." });
  }
  if (Number(table?.nextId ?? 0) > LAST_ID) {
    const remedy = "Set AUTO_INCREMENT of `tasks` to the id after the largest one.";
    faults.push({ fault: `the next id of \`tasks\` is ${table?.nextId}, beyond ${LAST_ID}`, remedy });
  }
  return faults;
}
