import { setTimeout as delay } from "node:timers/promises";
import type { Connect } from "../connector.js";
import type { SqlConnection } from "../database.js";
import { isTransient } from "../database-error.js";
import { MIGRATION_PINS } from "../session-pins.js";

const KEEP_ALIVE_MS = 10_000;
const ATTEMPTS = 5;
const RETRY_MS = 200;

/**
 * Opens a connection that migrates. A statement may take hours and stay silent; TCP probes notice a host that vanishes.
 */
export function openSession(connect: Connect): Promise<SqlConnection> {
  return connect(MIGRATION_PINS, { keepAliveDelay: KEEP_ALIVE_MS });
}

export async function closeSession(connection: SqlConnection): Promise<void> {
  await connection.end().catch(() => undefined);
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
