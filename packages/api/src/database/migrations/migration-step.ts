import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseScript } from "./migration-script.js";
import { listMadeObjects, type SchemaObject } from "./schema-object.js";

/** A pair of scripts: `NNNN-name.up.sql` and `NNNN-name.down.sql`. */
export interface MigrationStep {
  readonly name: string;
  readonly up: readonly string[];
  readonly down: readonly string[];
  /** Whether a release that does not know the step can work on its schema. */
  readonly isCompatible: boolean;
  /** The table of the original system that the step takes over, with its rows. */
  readonly adopts: string | undefined;
  readonly makes: readonly SchemaObject[];
}

const UP = ".up.sql";

/** Reads the steps of a folder, in their order. */
export async function readSteps(folder: string): Promise<MigrationStep[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(UP)).sort();
  return Promise.all(files.map((file) => readStep(folder, file.slice(0, -UP.length))));
}

async function readStep(folder: string, name: string): Promise<MigrationStep> {
  const up = parseScript(await readFile(join(folder, `${name}.up.sql`), "utf8"));
  const down = parseScript(await readFile(join(folder, `${name}.down.sql`), "utf8"));
  const compatible = up.header("compatible");
  if (compatible !== "yes" && compatible !== "no") {
    throw new Error(`${name}.up.sql: must have a line "-- compatible: yes" or "-- compatible: no"`);
  }
  return {
    name,
    up: up.statements,
    down: down.statements,
    isCompatible: compatible === "yes",
    adopts: up.header("adopts"),
    makes: listMadeObjects(up.statements),
  };
}
