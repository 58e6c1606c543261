/** A named thing in a database. Triggers and foreign keys have their own namespaces; columns and keys belong to a table. */
export interface SchemaObject {
  readonly kind: "table" | "column" | "key" | "foreign key";
  readonly table: string;
  /** A table's own name, again. */
  readonly name: string;
}

const TABLE = /\b(?:CREATE|ALTER) TABLE (?:IF NOT EXISTS )?(\w+)/;
const CREATED = /\bCREATE TABLE (?:IF NOT EXISTS )?(\w+)/g;
const COLUMN = /\bADD COLUMN (?:IF NOT EXISTS )?(\w+)/g;
const KEY = /\bADD (?:UNIQUE )?KEY (?:IF NOT EXISTS )?(\w+)/g;
const FOREIGN_KEY = /\bCONSTRAINT (\w+) FOREIGN KEY\b/g;

/**
 * Lists what the statements of a step make, from their text. A new table stands for its columns and keys.
 * `migration-steps.spec.ts` compares the list with what each step adds to `information_schema`.
 */
export function listMadeObjects(statements: readonly string[]): SchemaObject[] {
  return statements.flatMap((statement) => {
    const table = TABLE.exec(statement)?.[1];
    if (table === undefined) return [];
    const found = (kind: SchemaObject["kind"], pattern: RegExp) =>
      [...statement.matchAll(pattern)].map(([, name = ""]) => ({ kind, table, name }));
    return [
      ...found("table", CREATED),
      ...found("column", COLUMN),
      ...found("key", KEY),
      ...found("foreign key", FOREIGN_KEY),
    ];
  });
}

export function isSameObject(a: SchemaObject, b: SchemaObject): boolean {
  return a.kind === b.kind && a.table === b.table && a.name === b.name;
}
