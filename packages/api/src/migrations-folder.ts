import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** `migrations/` at the repository's (or image's) root, found from wherever this file runs: `src` or `dist`. */
export const migrationsFolder = findUpwards(dirname(fileURLToPath(import.meta.url)));

function findUpwards(folder: string): string {
  const candidate = join(folder, "migrations");
  if (existsSync(join(candidate, "0001-tasks.up.sql"))) return candidate;
  const parent = dirname(folder);
  if (parent === folder) throw new Error("the folder migrations/ is not there");
  return findUpwards(parent);
}
