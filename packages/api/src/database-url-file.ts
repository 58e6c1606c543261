import { isDeepStrictEqual } from "node:util";
import { type Reloader, readFileAgain } from "@taskscheduler/runtime";
import { readDatabaseAddress } from "./config.js";
import type { DatabaseAddress } from "./database/database-address.js";

/** Says whether `DATABASE_URL_FILE` has changed. The connections that are open need a restart to take it. */
export function createDatabaseUrlFile(path: string, { tls, ...current }: DatabaseAddress): Reloader {
  const variable = "DATABASE_URL_FILE";
  return {
    variable,
    async reload() {
      await readFileAgain(variable, path);
      const { tls: newTls, ...address } = readDatabaseAddress({ [variable]: path });
      const isSame = isDeepStrictEqual(address, current) && (newTls === undefined) === (tls === undefined);
      return isSame ? "unchanged" : "needs restart";
    },
  };
}
