/** The text of an `.up.sql` or `.down.sql`. */
export interface MigrationScript {
  /** Each can run again after a migrator was killed in it. */
  readonly statements: readonly string[];
  /** The value of a line `-- NAME: VALUE`. */
  header(name: string): string | undefined;
}

/** A statement ends with a semicolon at a line's end. No literal of ours has one there. */
export function parseScript(text: string): MigrationScript {
  const statements = text.replace(/^\s*--.*$/gm, "").split(/;\s*(?:\n|$)/);
  return {
    statements: statements.map((statement) => statement.trim()).filter((statement) => statement !== ""),
    header: (name) => new RegExp(`^-- ${name}: (.+)$`, "m").exec(text)?.[1]?.trim(),
  };
}
