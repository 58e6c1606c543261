import type { SqlConnection } from "../database.js";
import type { SchemaObject } from "./schema-object.js";

/** Looks up names in the session's database, as the server compares them. Reads alone. */
export interface FoundObjects {
  /** @returns what bears a table's name: `table`, `view`, `sequence`; undefined where nothing does */
  typeOf(table: string): string | undefined;
  /** @returns what is there under the names of `objects`, each as a phrase: "view `requests`" */
  describe(objects: readonly SchemaObject[]): Promise<string[]>;
}

const TYPES: Readonly<Record<string, string>> = { VIEW: "view", SEQUENCE: "sequence" };

const COLUMNS = "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";
const KEYS = "SELECT INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";
const FOREIGN_KEYS = `SELECT CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS
  WHERE TABLE_SCHEMA = DATABASE() AND CONSTRAINT_TYPE = 'FOREIGN KEY'`;
const TRIGGERS = "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()";

export async function findObjects(connection: SqlConnection): Promise<FoundObjects> {
  const rowsOf = (sql: string, values: readonly unknown[] = []): Promise<string[][]> =>
    connection.query({ sql, rowsAsArray: true }, values);
  /** Columns, keys, foreign keys and triggers ignore case on every server. */
  const namesOf = async (sql: string, values?: readonly unknown[]) =>
    new Set((await rowsOf(sql, values)).map(([name = ""]) => name.toLowerCase()));

  const isFolded = Number((await rowsOf("SELECT @@lower_case_table_names"))[0]?.[0]) !== 0;
  const toKey = (table: string) => (isFolded ? table.toLowerCase() : table);
  const tables = new Map((await rowsOf("SHOW FULL TABLES")).map(([name = "", type = ""]) => [toKey(name), type]));
  const typeOf = (table: string) => {
    const type = tables.get(toKey(table));
    return type === undefined ? undefined : (TYPES[type] ?? "table");
  };

  async function describe(objects: readonly SchemaObject[]): Promise<string[]> {
    const has = (kind: SchemaObject["kind"]) => objects.some((object) => object.kind === kind);
    const triggers = has("table") ? await namesOf(TRIGGERS) : new Set();
    const foreignKeys = has("foreign key") ? await namesOf(FOREIGN_KEYS) : new Set();
    const inTables = new Map<string, ReadonlySet<string>>();
    const phrases: string[] = [];
    for (const { kind, table, name } of objects) {
      if (kind === "table") {
        const type = typeOf(name);
        if (type !== undefined) phrases.push(`${type} \`${name}\``);
        if (triggers.has(name)) phrases.push(`trigger \`${name}\``);
      } else if (kind === "foreign key") {
        if (foreignKeys.has(name)) phrases.push(`foreign key \`${name}\``);
      } else if (typeOf(table) !== undefined) {
        const names = inTables.get(kind + table) ?? (await namesOf(kind === "column" ? COLUMNS : KEYS, [table]));
        inTables.set(kind + table, names);
        if (names.has(name)) phrases.push(`${kind} \`${table}\`.\`${name}\``);
      }
    }
    return phrases;
  }

  return { typeOf, describe };
}
