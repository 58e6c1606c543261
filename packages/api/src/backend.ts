import { aborted, type Logger, type Part, sleep } from "@taskscheduler/runtime";
import type { ChangeLog } from "./changes/change-log.js";
import type { Database } from "./database/database.js";
import { type DatabaseClock, keepMeasuring } from "./database/database-clock.js";
import { isGone, isUnavailable } from "./database/database-error.js";
import { hasPending, migrate } from "./database/migrations.js";
import { PACKET_BYTES } from "./database/statement-size.js";
import { checkTables } from "./database/tables.js";
import type { Fleet } from "./fleet/fleet.js";
import { migrationsFolder } from "./migrations-folder.js";
import type { WriteGroup } from "./writes/write-group.js";

const RETRY_MS = 250;
const CLOCK_INTERVAL_MS = 1_000;
const FIRST_MEASUREMENTS = 5;
/** How soon the API notices that a table is missing. */
const TABLES_INTERVAL_MS = 1_000;

export interface BackendParts {
  readonly database: Database;
  readonly clock: DatabaseClock;
  readonly log: ChangeLog;
  readonly fleet: Fleet;
  readonly writes: WriteGroup;
  readonly retention: Part;
  readonly databaseUrl: string;
  readonly migrateOnStart: boolean;
  readonly logger: Logger;
}

export interface Backend extends Part {
  /** Whether calls can be answered: the schema is the newest and the database answers. */
  isReady(): boolean;
}

/**
 * All that needs the database, brought up in the background: a database that is not there yet is waited for, and probes
 * are answered meanwhile. When it stops, what was submitted is written first.
 */
export function createBackend(parts: BackendParts): Backend {
  const { database, clock, log, fleet, writes, retention, logger } = parts;
  const stopping = new AbortController();
  const started: Part[] = [];
  let opening: Promise<void> | undefined;
  let measuring: Promise<void> | undefined;
  let watching: Promise<void> | undefined;

  async function open(signal: AbortSignal): Promise<void> {
    await admitWhenPrepared(signal);
    measuring = keepMeasuring(clock, CLOCK_INTERVAL_MS, signal);
    for (const part of [log, fleet, retention]) {
      started.push(part);
      await part.start(signal);
    }
    logger.info({ revision: log.head() }, "the database is ready");
    watching = keepPrepared(signal);
  }

  async function admitWhenPrepared(signal: AbortSignal): Promise<void> {
    await untilDone(() => prepare(signal).then(() => database.withConnection(checkTables)), signal);
    database.admit();
  }

  /** A database that was dropped under the running API is prepared as at the start, once it is there again. */
  async function keepPrepared(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const failure = await database.withConnection(checkTables).catch((error: unknown) => error);
      if (isGone(failure)) {
        database.dismiss();
        logger.error({ err: failure }, "the database has lost tables; calls fail until they are back");
        await admitWhenPrepared(signal).catch(() => undefined);
        if (!signal.aborted) logger.info("the tables are back");
      }
      await sleep(TABLES_INTERVAL_MS, signal).catch(() => undefined);
    }
  }

  async function prepare(signal: AbortSignal): Promise<void> {
    if (parts.migrateOnStart) {
      const steps = await migrate(parts.databaseUrl, migrationsFolder, "up", signal);
      if (steps.length > 0) logger.info({ steps }, "the schema was migrated");
    } else if (await hasPending(parts.databaseUrl, migrationsFolder)) {
      throw new Error(
        "the schema is not the newest, and MIGRATE_ON_START is false: run `npm run migrate`, or `node packages/api/dist/migrate.js`",
      );
    }
    await warnOfSettings();
    for (let count = 0; count < FIRST_MEASUREMENTS; count += 1) await clock.measure();
  }

  async function warnOfSettings(): Promise<void> {
    const [row] = await database.withConnection((connection) =>
      connection.query<{ flushing: number; packetBytes: number }[]>(
        "SELECT @@innodb_flush_log_at_trx_commit AS flushing, @@max_allowed_packet AS packetBytes",
      ),
    );
    // With another setting an acknowledged write survives the death of our processes, but not of the database's.
    if (row?.flushing !== 1) {
      logger.warn(row, "innodb_flush_log_at_trx_commit is not 1: a crash of the database may lose acknowledged writes");
    }
    // The server cuts connections that send more: large requests would look as if it went away.
    if (Number(row?.packetBytes) < PACKET_BYTES) {
      logger.warn(row, "max_allowed_packet is less than 16 MiB: large requests will fail with UNAVAILABLE");
    }
  }

  async function untilDone(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    for (let reported = false; ; reported = true) {
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        const known = isUnavailable(error);
        if (!reported || !known) logger.warn({ err: error }, "the database is not ready; trying again");
        await sleep(known ? RETRY_MS : 4 * RETRY_MS, signal);
      }
    }
  }

  async function end(signal: AbortSignal): Promise<void> {
    await writes.drained();
    stopping.abort();
    await opening;
    for (const part of started.reverse()) await part.stop(signal);
    await measuring;
    await watching;
    await database.close();
  }

  return {
    name: "backend",
    isReady: () => database.isAdmitted() && log.isLive(),
    async start() {
      opening = open(stopping.signal).catch((error: unknown) => {
        if (!stopping.signal.aborted) throw error;
      });
    },
    async stop(signal) {
      // A database that hangs would hold up each of these: after the grace they are left to the end of the process.
      await Promise.race([end(signal), aborted(signal)]);
      if (signal.aborted)
        logger.warn({ writesWaiting: writes.waiting() }, "the grace was over; what was left is dropped");
    },
  };
}
