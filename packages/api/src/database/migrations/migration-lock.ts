import { randomUUID } from "node:crypto";
import { sleep } from "@taskscheduler/runtime";
import type { SqlConnection } from "../database.js";
import { closeSession, execute } from "./migration-session.js";
import { LOCK_ROW } from "./step-records.js";

const WAIT_SECONDS = 60;
/** A wait notices within this time that the process is to stop. */
const TRY_SECONDS = 1;
const BEAT_MS = 2_000;
/** A holder whose beat stays the same for so many looks, two of them a beat, is dead. */
const SILENT_LOOKS = 10;

interface LockRow {
  readonly holder: string;
  readonly node: string;
  readonly beat: number;
}

export interface MigrationLockOptions {
  /** Has the server lock of its node. */
  readonly connection: SqlConnection;
  /** The Galera node of the connection; empty without Galera. */
  readonly node: string;
  /** Opens the connection that beats while the first one is in a long statement. */
  readonly open: () => Promise<SqlConnection>;
  readonly beatMs?: number;
}

/** How to wait for another migrator. */
export interface LockWait {
  /** Default: 60. */
  readonly waitSeconds?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits for the named lock of a server, which ends with the connection. A server without Galera needs no other lock.
 *
 * @throws Error when another migrator holds the lock for so long; the signal's reason
 */
export async function waitForServerLock(
  connection: SqlConnection,
  { waitSeconds = WAIT_SECONDS, signal }: LockWait = {},
): Promise<void> {
  // Named locks are the server's, not the database's: the name carries the database.
  const sql = "SELECT GET_LOCK(CONCAT('taskscheduler.migrate.', DATABASE()), ?) AS granted";
  for (let waited = 0; waited < waitSeconds; waited += TRY_SECONDS) {
    signal?.throwIfAborted();
    const rows: { granted: number | null }[] = await connection.query(sql, [TRY_SECONDS]);
    if (rows[0]?.granted === 1) return;
  }
  throw lockTimeout(waitSeconds);
}

/**
 * The lock among the nodes of a Galera cluster, whose named locks are each node's own. It is the row `lock` of
 * `schema_migrations`: one INSERT wins the certification of the cluster. The holder raises its beat; no clocks are compared.
 *
 * States: free → (acquire) held → (release) free. A holder that is silent for ten seconds loses the lock to the next one,
 * and at once to a migrator at its own node: that one has the server lock, which the holder's connection no longer has.
 */
export class MigrationLock {
  readonly #options: MigrationLockOptions;
  readonly #holder: string;
  readonly #beatMs: number;
  readonly #releasing = new AbortController();
  #beating: Promise<void> | undefined;

  constructor(options: MigrationLockOptions) {
    this.#options = options;
    this.#holder = `${options.node}/${randomUUID()}`;
    this.#beatMs = options.beatMs ?? BEAT_MS;
  }

  /** @throws Error when another migrator holds the lock for so long; the signal's reason */
  async acquire({ waitSeconds = WAIT_SECONDS, signal }: LockWait = {}): Promise<void> {
    const deadlineMs = performance.now() + waitSeconds * 1_000;
    let last: LockRow | undefined;
    for (let silentLooks = 0; performance.now() < deadlineMs; ) {
      signal?.throwIfAborted();
      const row = await this.#read();
      if (row === undefined) {
        await this.#execute("INSERT IGNORE INTO schema_migrations (name, state, holder) VALUES (?, 'BEGUN', ?)", [
          LOCK_ROW,
          this.#holder,
        ]);
        continue;
      }
      if (row.holder === this.#holder) {
        this.#beating = this.#keepBeating();
        return;
      }
      silentLooks = row.holder === last?.holder && row.beat === last.beat ? silentLooks + 1 : 0;
      last = row;
      if (row.node === this.#options.node || silentLooks === SILENT_LOOKS) await this.#remove(row);
      else await sleep(this.#beatMs / 2, signal);
    }
    throw lockTimeout(waitSeconds);
  }

  /** Called before each statement. @throws Error when another migrator has taken over */
  async requireHeld(): Promise<void> {
    if ((await this.#read())?.holder !== this.#holder) throw new Error("another migrator has taken over");
  }

  async release(): Promise<void> {
    this.#releasing.abort();
    await this.#beating;
    await this.#execute("DELETE FROM schema_migrations WHERE name = ? AND holder = ?", [LOCK_ROW, this.#holder]);
  }

  /** A connection that fails is replaced at the next beat. */
  async #keepBeating(): Promise<void> {
    const { signal } = this.#releasing;
    let connection: SqlConnection | undefined;
    while (!signal.aborted) {
      await sleep(this.#beatMs, signal).catch(() => undefined);
      if (signal.aborted) break;
      try {
        connection ??= await this.#options.open();
        await this.#beat(connection);
      } catch {
        if (connection !== undefined) await closeSession(connection);
        connection = undefined;
      }
    }
    if (connection !== undefined) await closeSession(connection);
  }

  async #beat(connection: SqlConnection): Promise<void> {
    const sql = "UPDATE schema_migrations SET beat = beat + 1 WHERE name = ? AND holder = ?";
    await execute(connection, sql, [LOCK_ROW, this.#holder]);
  }

  async #read(): Promise<LockRow | undefined> {
    const rows = (await this.#execute("SELECT holder, beat FROM schema_migrations WHERE name = ?", [LOCK_ROW])) as {
      holder: string;
      beat: number;
    }[];
    return rows.map(({ holder, beat }) => ({ holder, node: holder.slice(0, holder.lastIndexOf("/")), beat }))[0];
  }

  /** Only as long as the holder has not beaten since. */
  async #remove({ holder, beat }: LockRow): Promise<void> {
    const sql = "DELETE FROM schema_migrations WHERE name = ? AND holder = ? AND beat = ?";
    await this.#execute(sql, [LOCK_ROW, holder, beat]);
  }

  #execute(sql: string, values: readonly unknown[]): Promise<unknown> {
    return execute(this.#options.connection, sql, values);
  }
}

function lockTimeout(waitSeconds: number): Error {
  return new Error(`another migration has been running for ${waitSeconds} s`);
}
