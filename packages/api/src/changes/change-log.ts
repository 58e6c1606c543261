import { ServiceError } from "@taskscheduler/domain";
import type { Logger, Part } from "@taskscheduler/runtime";
import type { Database } from "../database/database.js";
import { databaseUnavailable } from "../database/database-error.js";
import type { ChangeEvent, ChangeSegment } from "./change-event.js";
import { contiguous, readSegments } from "./change-store.js";
import { createChangeTail } from "./change-tail.js";
import { createLogWaiters } from "./log-waiters.js";
import { createRecentSegments } from "./recent-segments.js";

/** Kept for the readers that keep up; a reader that falls behind reads the table at its own pace. */
const RECENT = { events: 20_000, bytes: 16 * 1024 * 1024 };
/** What a reader holds in memory at a time. */
const READ = { events: 1_000, bytes: 256 * 1024 };
/** The same for one that reads the table: a segment has at most 64 KiB, or a single change. */
const CATCH_UP_SEGMENTS = 16;
/** Watchers are told together what comes within as long as telling all of them takes, and no later than this. */
const PACE = { msPerWatcher: 0.1, maxMs: 20 };
/** What is read at a revision is visible, and flushed within moments. */
const REACH_MS = 10_000;

/** The change log as this process knows it: the contiguous run of revisions that are committed and flushed. */
export interface ChangeLog extends Part {
  /** The newest revision that readers may see; 0 before the first was read. */
  head(): number;
  /** Whether the table could be read within the last seconds. */
  isLive(): boolean;
  /** Milliseconds since the last successful read of the table; infinite before the first one. */
  silentMs(): number;
  /** The segments of a transaction of this process whose commit was acknowledged. */
  offer(segments: readonly ChangeSegment[]): void;
  /** Throws DATABASE_UNAVAILABLE before the log was read first. */
  open(): LogReader;
}

/** Reads one log; once the database holds another one, each of these throws RESUME_TOKEN_EXPIRED. */
export interface LogReader {
  /** Names the log in resume tokens. */
  readonly epoch: string;
  /** The newest revision that may be seen. */
  head(): number;
  /** Resolves when `head` has reached the revision. Rejects with DATABASE_UNAVAILABLE, or when the signal aborts. */
  reached(revision: number, signal: AbortSignal): Promise<void>;
  /** Resolves when `head` is beyond the revision, or has moved, or after the time. Rejects when the signal aborts. */
  beyond(revision: number, timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** The same for those of whom there may be thousands: where they are many, a few milliseconds later. */
  pacedBeyond(revision: number, timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** Some of the events after a revision, at least one if there is any up to `head`, and no more than a reader may hold. */
  read(afterRevision: number, signal: AbortSignal): Promise<readonly ChangeEvent[]>;
}

export function createChangeLog(database: Database, logger: Logger): ChangeLog {
  const recent = createRecentSegments(RECENT, READ);
  const waiters = createLogWaiters(() => 0);
  const watchers = createLogWaiters((woken) => Math.min(PACE.maxMs, woken * PACE.msPerWatcher));
  const wakeAll = (): void => {
    const revision = tail.position()?.revision ?? 0;
    waiters.wakeAll(revision);
    watchers.wakeAll(revision);
  };
  const tail = createChangeTail({
    database,
    logger,
    onAdvanced(segments) {
      for (const segment of segments) recent.push(segment);
      wakeAll();
    },
    onLeapt() {
      recent.clear();
      wakeAll();
    },
  });

  function openReader(): LogReader {
    const epoch = tail.position()?.epoch;
    if (epoch === undefined) throw databaseUnavailable();

    function head(): number {
      const position = tail.position();
      if (position === undefined || position.epoch !== epoch) throw expired();
      return position.revision;
    }

    async function read(afterRevision: number, signal: AbortSignal): Promise<readonly ChangeEvent[]> {
      const until = head();
      if (afterRevision >= until) return [];
      const held = recent.after(afterRevision);
      if (held !== undefined) return held;
      const segments = await database.lookUp(
        () => database.withConnection((connection) => readSegments(connection, () => afterRevision, CATCH_UP_SEGMENTS)),
        signal,
      );
      // It may have become another log meanwhile.
      head();
      const run = contiguous(segments, afterRevision);
      if (run.length === 0) throw expired();
      return run.flatMap((segment) => segment.events).filter((e) => e.revision > afterRevision && e.revision <= until);
    }

    return {
      epoch,
      head,
      async reached(revision, signal) {
        const endMs = performance.now() + REACH_MS;
        while (head() < revision) {
          const leftMs = endMs - performance.now();
          if (leftMs <= 0) throw databaseUnavailable();
          await waiters.beyond(head(), leftMs, signal);
        }
      },
      async beyond(revision, timeoutMs, signal) {
        head();
        await waiters.beyond(revision, timeoutMs, signal);
      },
      async pacedBeyond(revision, timeoutMs, signal) {
        head();
        await watchers.beyond(revision, timeoutMs, signal);
      },
      read,
    };
  }

  return {
    name: "change log",
    head: () => tail.position()?.revision ?? 0,
    isLive: tail.isLive,
    silentMs: tail.silentMs,
    offer: tail.offer,
    open: openReader,
    start: tail.start,
    stop: tail.stop,
  };
}

/** What a reader asks for has been purged, or was never written: it starts over. */
export function expired(): ServiceError {
  return new ServiceError(
    "RESUME_TOKEN_EXPIRED",
    "the change log does not reach back to this token; watch again without one",
  );
}
