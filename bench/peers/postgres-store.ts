import pg from "pg";

/** A peer's PostgreSQL, to store its jobs and to look at them, beside its own connections. */
export interface PostgresStore {
  /** Its commits do not wait for the disk, as nothing of it is measured; the peer's own do. */
  readonly pool: pg.Pool;
  /** Does what a server that has run for a while has done by itself: statistics are there, and no checkpoint is due. */
  settle(): Promise<void>;
  /** @param sql selects one number as `count` */
  count(sql: string): Promise<number>;
}

export function openStore(url: string): PostgresStore {
  const pool = new pg.Pool({ connectionString: url, options: "-c synchronous_commit=off" });
  const report = (error: Error): void => console.error(error);
  pool.on("error", report);
  pool.on("connect", (client) => void client.on("error", report));
  return {
    pool,
    async settle() {
      await pool.query("VACUUM ANALYZE");
      await pool.query("CHECKPOINT");
    },
    async count(sql) {
      const { rows } = await pool.query<{ count: string }>(sql);
      return Number(rows[0]?.count);
    },
  };
}
