import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { run } from "./run.mjs";

/** Where servers lie that are not on a user's PATH. */
const usualDirs = [
  "/usr/sbin",
  "/usr/local/sbin",
  "/usr/libexec",
  "/usr/bin",
  "/usr/local/bin",
  "/usr/local/mysql/bin",
  "/opt/homebrew/bin",
];

/**
 * Looks for an installed MariaDB server.
 *
 * @returns {Promise<{ server: string, installDb: string } | undefined>} both paths, or undefined where one is missing
 */
export async function findMariaDbBinaries() {
  const server = find(["mariadbd", "mysqld"]);
  const installDb = find(["mariadb-install-db", "mysql_install_db"]);
  if (!server || !installDb) return undefined;
  const { output } = await run(server, ["--no-defaults", "--version"], { capture: true, timeoutMs: 30_000 });
  return output.includes("MariaDB") ? { server, installDb } : undefined;
}

function find(names) {
  const dirs = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), ...usualDirs];
  return names.flatMap((name) => dirs.map((dir) => join(dir, name))).find(isExecutable);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
