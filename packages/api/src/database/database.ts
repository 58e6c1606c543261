import "reflect-metadata";
import { ServiceError } from "@taskscheduler/domain";
import { within } from "@taskscheduler/runtime";
import type { Connection } from "mariadb";
import { Sequelize } from "sequelize-typescript";
import type { Connect } from "./connector.js";
import { databaseUnavailable, isStatementTimeout, toCallError } from "./database-error.js";
import { ExecutionModel } from "./execution-model.js";
import { createPermits } from "./permits.js";
import { POOL_PINS } from "./session-pins.js";
import { TaskModel } from "./task-model.js";

/** A connection out of the pool, as the driver gives it: rows come back raw, DATETIMEs as epoch milliseconds. */
export interface SqlConnection extends Connection {
  /** Told of each row that was read and cannot be understood. */
  onDamage?: (damage: RowDamage) => void;
}

/** A row that somebody wrote past the API. */
export interface RowDamage {
  readonly table: string;
  /** The values of the row's key; of an execution that is its id. */
  readonly key: string;
  /** The columns whose values cannot be read. */
  readonly columns: readonly string[];
}

export interface Database {
  /**
   * Runs `work` on a connection of its own, with its errors as they come; DATABASE_UNAVAILABLE when no connection can be
   * had. A connection that an error may have left inside a transaction is closed.
   */
  withConnection<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T>;
  /**
   * Work of a call, with the database's errors mapped: UNAVAILABLE when it is away, not admitted yet, or does not answer
   * within 10 s. Work that is late goes on, and its outcome is dropped.
   */
  guarded<T>(work: () => Promise<T>): Promise<T>;
  /**
   * The same for what users read, which may be much: only so many at once, so that writes, claims and heartbeats always
   * find a connection. Throws TOO_MANY_REQUESTS when others are not done in time, QUERY_TOO_SLOW when it takes too long,
   * and the signal's reason when it aborts before the work has begun.
   */
  query<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** The same for a page of a snapshot, apart from lists: thousands of watches that begin hold up no list. */
  snapshot<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** The same for reads that are short by their nature: a few rows by their keys, a page of the log. */
  lookUp<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Calls may use it from now on: its schema is the newest. */
  admit(): void;
  /** Calls may not use it until it is admitted again: its tables are gone. */
  dismiss(): void;
  isAdmitted(): boolean;
  /** How the pool is used. */
  connections(): { readonly open: number; readonly waiting: number };
  close(): Promise<void>;
}

interface ConnectionPool {
  getConnection(options: { type: "read" | "write" }): Promise<SqlConnection>;
  releaseConnection(connection: SqlConnection): void;
  destroyConnection(connection: SqlConnection): Promise<void>;
  readonly pool: { readonly size: number; readonly waiting: number };
}

export interface DatabaseOptions {
  readonly connect: Connect;
  readonly onDamage: (damage: RowDamage) => void;
}

export const POOL_SIZE = 16;
const ACQUIRE_TIMEOUT_MS = 5_000;
/** A database that hangs, rather than dies, is given up after this. */
const SILENCE_MS = 8_000;
/** A query uses one connection, or two when it counts as well. With the log's, and two for writes, some are always left. */
const QUERIES = { count: 2, maxWaiting: 10_000, waitMs: 10_000 };
const SNAPSHOTS = { count: 2, maxWaiting: 10_000, waitMs: 30_000 };
const LOOK_UPS = { count: 3, maxWaiting: 20_000, waitMs: 10_000 };
/** How long work may take with all its waits. A query and a page of a snapshot have as much beyond their line. */
const LIMIT_MS = 10_000;
const QUERY_LIMIT_MS = 16_000;
const SNAPSHOT_LIMIT_MS = 40_000;
/** The pool closes idle connections before the silence would. */
const IDLE_MS = 5_000;

/** Opens no connection yet. */
export function createDatabase({ connect, onDamage }: DatabaseOptions): Database {
  const sequelize = new Sequelize({
    dialect: "mariadb",
    // Sequelize keeps the pool and knows no address: its own settings of a session would undo some of the pins.
    dialectModule: { createConnection: () => connect(POOL_PINS, { socketTimeout: SILENCE_MS }) },
    logging: false,
    models: [TaskModel, ExecutionModel],
    pool: { max: POOL_SIZE, min: 0, acquire: ACQUIRE_TIMEOUT_MS, idle: IDLE_MS },
  });
  // Sequelize's types know the driver's connection only as an object.
  const pool = sequelize.connectionManager as unknown as ConnectionPool;

  let admitted = false;
  const queries = createPermits({ ...QUERIES, refusal: tooManyReads });
  const snapshots = createPermits({ ...SNAPSHOTS, refusal: tooManyReads });
  const lookUps = createPermits({ ...LOOK_UPS, refusal: tooManyReads });

  async function withConnection<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T> {
    const connection = await pool.getConnection({ type: "write" }).catch((error: unknown) => {
      throw toCallError(error);
    });
    connection.onDamage = onDamage;
    try {
      const result = await work(connection);
      pool.releaseConnection(connection);
      return result;
    } catch (error) {
      close(connection);
      throw error;
    }
  }

  /**
   * Closes the socket, and waits for nothing. Not by the driver's `destroy`: it asks the server over a second connection
   * to kill the session, and nobody listens to its refusal. The session ends by itself with its statement, within
   * `max_statement_time`.
   */
  function close(connection: SqlConnection): void {
    pool.destroyConnection(connection).catch(() => undefined);
  }

  async function guarded<T>(work: () => Promise<T>, limitMs = LIMIT_MS): Promise<T> {
    try {
      if (!admitted) throw databaseUnavailable();
      return await within(work(), limitMs, () => tooLate(limitMs));
    } catch (error) {
      throw toCallError(error);
    }
  }

  return {
    withConnection,
    admit() {
      admitted = true;
    },
    dismiss() {
      admitted = false;
    },
    isAdmitted: () => admitted,
    guarded,
    query: (work, signal) => guarded(() => queries(() => work().catch(rethrowSlow), signal), QUERY_LIMIT_MS),
    snapshot: (work, signal) => guarded(() => snapshots(work, signal), SNAPSHOT_LIMIT_MS),
    lookUp: (work, signal) => guarded(() => lookUps(work, signal)),
    connections: () => ({ open: pool.pool.size, waiting: pool.pool.waiting }),
    close: () => sequelize.close(),
  };
}

function tooLate(limitMs: number): ServiceError {
  const seconds = limitMs / 1_000;
  return new ServiceError("DATABASE_UNAVAILABLE", `the database has not answered within ${seconds} s; try again`);
}

function tooManyReads(): ServiceError {
  return new ServiceError("TOO_MANY_REQUESTS", "too many reads are waiting for the database; try again");
}

function rethrowSlow(error: unknown): never {
  if (!isStatementTimeout(error)) throw error;
  throw new ServiceError("QUERY_TOO_SLOW", "the database took too long; ask for less", { cause: error });
}
