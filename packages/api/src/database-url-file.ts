import { type Reloader, readFileAgain } from "@taskscheduler/runtime";
import { readDatabaseUrl } from "./config.js";

/** Says whether `DATABASE_URL_FILE` has changed. The connections that are open need a restart to take it. */
export function createDatabaseUrlFile(path: string, databaseUrl: string): Reloader {
  const variable = "DATABASE_URL_FILE";
  return {
    variable,
    async reload() {
      await readFileAgain(variable, path);
      return readDatabaseUrl({ [variable]: path }) === databaseUrl ? "unchanged" : "needs restart";
    },
  };
}
