import { type Logger, type Part, sleep } from "@taskscheduler/runtime";
import type { Database, SqlConnection } from "./database.js";
import type { Clock } from "./database-clock.js";

/** Removes up to `limit` rows older than the instant. @returns how many it removed */
export type Purge = (connection: SqlConnection, beforeMs: number, limit: number) => Promise<number>;

export interface RetentionRule {
  readonly name: string;
  readonly retentionMs: number;
  readonly purge: Purge;
}

/** Small, so that no writer waits for a purge. */
const BATCH = 500;
const MAX_BATCHES = 2_000;
const MAX_PAUSE_MS = 60_000;
const MIN_PAUSE_MS = 500;
const BETWEEN_BATCHES_MS = 20;

/** Removes what is older than its rule keeps it, in small batches. Any number of processes may do so at once. */
export function createRetention(
  database: Database,
  clock: Clock,
  rules: readonly RetentionRule[],
  logger: Logger,
): Part {
  const stopping = new AbortController();
  const shortestMs = Math.min(...rules.map((rule) => rule.retentionMs));
  const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, shortestMs / 10));
  let running: Promise<void> | undefined;

  async function purge(rule: RetentionRule): Promise<void> {
    for (let batch = 0; batch < MAX_BATCHES && !stopping.signal.aborted; batch += 1) {
      const beforeMs = clock.nowMs() - rule.retentionMs;
      const removed = await database.withConnection((connection) => rule.purge(connection, beforeMs, BATCH));
      if (removed < BATCH) return;
      await sleep(BETWEEN_BATCHES_MS, stopping.signal).catch(() => undefined);
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      for (const rule of rules) {
        await purge(rule).catch((error: unknown) =>
          logger.warn({ err: error, rule: rule.name }, "a purge failed; later"),
        );
      }
      await sleep(pauseMs, stopping.signal).catch(() => undefined);
    }
  }

  return {
    name: "retention",
    async start() {
      running = run();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
