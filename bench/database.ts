import { createConnection } from "mariadb";
import { type Database, findOrStartMariaDb } from "../scripts/mariadb.mjs";
import { cores, type Machine } from "./figure.js";

/** A server as one would set it up for this load, not as small as the tests'; every commit is flushed. */
const SERVER_ARGS = ["--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M"];

export function startBenchDatabase(): Promise<Database> {
  return findOrStartMariaDb({ purpose: "bench", extraArgs: SERVER_ARGS });
}

export async function machineOf(url: string): Promise<Machine> {
  const connection = await createConnection(url);
  try {
    const [row] = await connection.query<{ version: string }[]>("SELECT VERSION() AS version");
    return { node: process.version, mariadb: row?.version ?? "", cores: cores() };
  } finally {
    await connection.end();
  }
}
