import { setTimeout as delay } from "node:timers/promises";
import { createConnection } from "mariadb";
import { connectionOptions } from "../connection-options.js";
import type { SqlConnection } from "../database.js";
import { isTransient } from "../database-error.js";

const KEEP_ALIVE_MS = 10_000;
/** An ALTER TABLE waits this long for statements that use its table. Other statements on the table wait behind it. */
const METADATA_LOCK_WAIT_SECONDS = 30;
const ATTEMPTS = 5;
const RETRY_MS = 200;

/**
 * Opens a connection that migrates. A statement may take hours and stay silent; TCP probes notice a host that vanishes.
 */
export async function openSession(url: string): Promise<SqlConnection> {
  const { sessionVariables, ...options } = connectionOptions(url);
  const connection = await createConnection({
    ...options,
    keepAliveDelay: KEEP_ALIVE_MS,
    sessionVariables: {
      ...sessionVariables,
      autocommit: 1,
      max_statement_time: 0,
      lock_wait_timeout: METADATA_LOCK_WAIT_SECONDS,
    },
  });
  // Without a listener, an idle connection that is cut ends the process. The next statement fails in any case.
  connection.on("error", () => undefined);
  return connection;
}

export async function closeSession(connection: SqlConnection): Promise<void> {
  await connection.end().catch(() => connection.destroy());
}

/**
 * Names the Galera node that the session is at, and has its statements reach every node in one order.
 *
 * @returns the node's name in its cluster, new at each start of the node; empty on a server without Galera
 */
export async function joinCluster(connection: SqlConnection): Promise<string> {
  const rows: { Value: string }[] = await connection.query("SHOW STATUS LIKE 'wsrep_gcomm_uuid'");
  const node = rows[0]?.Value ?? "";
  if (node !== "") await connection.query("SET SESSION wsrep_OSU_method = 'TOI', wsrep_sync_wait = 15");
  return node;
}

/** Runs a statement again when it met a deadlock, a lock wait or another node's change. The server has undone it then. */
export async function execute(connection: SqlConnection, sql: string, values?: readonly unknown[]): Promise<unknown> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await connection.query(sql, values);
    } catch (error) {
      if (attempt === ATTEMPTS || !isTransient(error)) throw error;
      await delay(attempt * RETRY_MS);
    }
  }
}
