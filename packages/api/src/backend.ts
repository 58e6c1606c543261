import { aborted, type Logger, type Part, type Readiness, sleep } from "@taskscheduler/runtime";
import type { ChangeLog } from "./changes/change-log.js";
import type { Connect } from "./database/connector.js";
import type { Database } from "./database/database.js";
import { type DatabaseClock, keepMeasuring } from "./database/database-clock.js";
import { isGone, isUnavailable } from "./database/database-error.js";
import { failureReason, isLasting } from "./database/failure-reason.js";
import { checkSchema, hasPendingSteps, migrate } from "./database/migrations/migrate.js";
import { requireRowPrivileges } from "./database/privileges.js";
import { checkServer } from "./database/server-check.js";
import { checkTables } from "./database/tables.js";
import type { Fleet } from "./fleet/fleet.js";
import { migrationsFolder } from "./migrations-folder.js";
import type { WriteGroup } from "./writes/write-group.js";

/** A database that comes back is found soon. What somebody has to mend is tried less often, and so is a defect. */
const RETRY_MS = { passing: 250, unknown: 1_000, lasting: 2_000 };
const CLOCK_INTERVAL_MS = 1_000;
const FIRST_MEASUREMENTS = 5;
/** A database that answered within this time answers. */
const ANSWER_MS = 3_000;
/** How soon the API notices that a table is missing. */
const TABLES_INTERVAL_MS = 1_000;

export interface BackendParts {
  readonly database: Database;
  readonly clock: DatabaseClock;
  readonly log: ChangeLog;
  readonly fleet: Fleet;
  readonly writes: WriteGroup;
  readonly retention: Part;
  readonly connect: Connect;
  readonly migrateOnStart: boolean;
  readonly logger: Logger;
}

export interface Backend extends Part {
  /** Calls can be answered once the schema is the newest, and as long as the database answers. */
  readonly readiness: Readiness;
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
  let waitingFor = "the process has just started, and connects to the database";
  /** The clock's measurements ask the database once a second: when the last one succeeded, and why it failed. */
  let answeredMs = Number.NEGATIVE_INFINITY;
  let failure: unknown;

  async function open(signal: AbortSignal): Promise<void> {
    await admitWhenPrepared(signal);
    answeredMs = performance.now();
    measuring = keepMeasuring(clock, CLOCK_INTERVAL_MS, onMeasured, signal);
    for (const part of [log, fleet, retention]) {
      started.push(part);
      await part.start(signal);
    }
    logger.info({ revision: log.head() }, "the database is ready");
    watching = keepPrepared(signal);
  }

  async function admitWhenPrepared(signal: AbortSignal): Promise<void> {
    await untilDone(() => prepare(signal), signal);
    database.admit();
  }

  /** A database that was dropped under the running API is prepared as at the start, once it is there again. */
  async function keepPrepared(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const loss = await database.withConnection(checkTables).catch((error: unknown) => error);
      if (isGone(loss)) {
        waitingFor = failureReason(loss);
        database.dismiss();
        logger.error({ err: loss }, "the database has lost tables; calls fail until they are back");
        await admitWhenPrepared(signal).catch(() => undefined);
        if (!signal.aborted) logger.info("the tables are back");
      }
      await sleep(TABLES_INTERVAL_MS, signal).catch(() => undefined);
    }
  }

  async function prepare(signal: AbortSignal): Promise<void> {
    const { connect, migrateOnStart } = parts;
    const isMigrating = migrateOnStart && (await hasPendingSteps(connect, migrationsFolder));
    if (!migrateOnStart) await checkSchema(connect, migrationsFolder);
    const warnings = await checkServer(connect, { migrates: isMigrating });
    if (isMigrating) {
      waitingFor = "the schema is being migrated";
      const steps = await migrate(connect, migrationsFolder, "up", { signal });
      if (steps.length > 0) logger.info({ steps }, "the schema was migrated");
    }
    await database.withConnection(requireRowPrivileges);
    for (let count = 0; count < FIRST_MEASUREMENTS; count += 1) await clock.measure();
    for (const warning of warnings) logger.warn(warning);
  }

  async function untilDone(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const told = new Set<string>();
    for (;;) {
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        waitingFor = failureReason(error);
        // Once with all that is known of it. The readiness log repeats the reason.
        if (!told.has(waitingFor))
          logger.warn({ err: error, reason: waitingFor }, "the database is not ready; trying again");
        told.add(waitingFor);
        await sleep(RETRY_MS[isLasting(error) ? "lasting" : isUnavailable(error) ? "passing" : "unknown"], signal);
      }
    }
  }

  function onMeasured(measured: unknown): void {
    failure = measured;
    if (measured === undefined) answeredMs = performance.now();
  }

  function readiness(): readonly string[] {
    if (!database.isAdmitted()) return [waitingFor];
    if (log.isLive()) return [];
    if (failure !== undefined) return [failureReason(failure)];
    if (performance.now() - answeredMs < ANSWER_MS) return ["the change log cannot be read; the log has the error"];
    return ["the database does not answer: check its load, and the network between here and the host in DATABASE_URL"];
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
    readiness,
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
