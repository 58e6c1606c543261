import "reflect-metadata";
import type { Connection } from "mariadb";
import { Sequelize } from "sequelize-typescript";
import { connectionOptions } from "./connection-options.js";
import { databaseUnavailable, toCallError } from "./database-error.js";
import { ExecutionModel } from "./execution-model.js";
import { TaskModel } from "./task-model.js";

/** A connection out of the pool, as the driver gives it: rows come back raw, DATETIMEs as epoch milliseconds. */
export type SqlConnection = Connection;

export interface Database {
  readonly sequelize: Sequelize;
  /**
   * Runs `work` on a connection of its own, with its errors as they come; DATABASE_UNAVAILABLE when no connection can be
   * had. A connection that an error may have left inside a transaction is closed.
   */
  withConnection<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T>;
  /** A read by models or SQL, with the database's errors mapped: UNAVAILABLE when it is away, or not admitted yet. */
  read<T>(work: () => Promise<T>): Promise<T>;
  /** Calls may use it from now on: its schema is the newest. */
  admit(): void;
  isAdmitted(): boolean;
  /** How the pool is used. */
  connections(): { readonly open: number; readonly waiting: number };
  close(): Promise<void>;
}

interface ConnectionPool {
  getConnection(options: { type: "read" | "write" }): Promise<SqlConnection>;
  releaseConnection(connection: SqlConnection): void;
  readonly pool: { readonly size: number; readonly waiting: number };
}

export interface DatabaseOptions {
  /** `mariadb://user:password@host:port/database` */
  readonly url: string;
  readonly poolSize?: number;
}

const POOL_SIZE = 12;
const ACQUIRE_TIMEOUT_MS = 3_000;
/** A database that hangs, rather than dies, is given up after this: no statement of ours takes as long. */
const SILENCE_MS = 8_000;
/** The pool closes idle connections before the silence would. */
const IDLE_MS = 5_000;

/** Opens no connection yet. */
export function createDatabase({ url, poolSize = POOL_SIZE }: DatabaseOptions): Database {
  const { host, port, user, password, database, timezone: _, ...options } = connectionOptions(url);
  const sequelize = new Sequelize({
    ...{ dialect: "mariadb", host, port, username: user, password, database, timezone: "+00:00", logging: false },
    models: [TaskModel, ExecutionModel],
    pool: { max: poolSize, min: 0, acquire: ACQUIRE_TIMEOUT_MS, idle: IDLE_MS },
    dialectOptions: { ...options, socketTimeout: SILENCE_MS },
  });
  // Sequelize's types know the driver's connection only as an object.
  const pool = sequelize.connectionManager as unknown as ConnectionPool;

  let admitted = false;

  async function withConnection<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T> {
    const connection = await pool.getConnection({ type: "write" }).catch((error: unknown) => {
      throw toCallError(error);
    });
    try {
      return await work(connection);
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      pool.releaseConnection(connection);
    }
  }

  return {
    sequelize,
    withConnection,
    admit() {
      admitted = true;
    },
    isAdmitted: () => admitted,
    async read(work) {
      try {
        if (!admitted) throw databaseUnavailable();
        return await work();
      } catch (error) {
        throw toCallError(error);
      }
    },
    connections: () => ({ open: pool.pool.size, waiting: pool.pool.waiting }),
    close: () => sequelize.close(),
  };
}
