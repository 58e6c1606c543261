import { setTimeout as wait } from "node:timers/promises";
import { ServiceError } from "@taskscheduler/domain";
import type { Logger, Part } from "@taskscheduler/runtime";
import type { Database, SqlConnection } from "../database/database.js";
import type { ChangeEvent, ChangeSegment } from "./change-event.js";
import { flushVisible, type LogPosition, readPosition, readSegments } from "./change-store.js";
import { createRecentSegments } from "./recent-segments.js";

/** How often other processes' commits are looked for. Our own are known at once. */
const POLL_MS = 20;
const READ_SEGMENTS = 64;
/** Kept for the readers that keep up; a reader that falls behind reads the table at its own pace. */
const RECENT = { events: 20_000, bytes: 16 * 1024 * 1024 };
/** What a reader holds in memory at a time. */
const READ = { events: 1_000, bytes: 1024 * 1024 };
/** The same for one that reads the table: a segment has at most 64 KiB, or a single change. */
const CATCH_UP_SEGMENTS = 16;
/** Our own commits that wait for others'; beyond this they are read from the table as well. */
const OFFERED_SEGMENTS = 256;
const RETRY_MS = 200;
/** How often it is made sure that nothing was purged before it was read. */
const PURGE_LOOK_MS = 1_000;
const LIVE_MS = 2_000;

/**
 * The change log as this process knows it: the contiguous run of revisions that are committed and flushed. It follows
 * the table once for all readers.
 *
 * Only what is flushed is told: InnoDB shows a commit before it is on disk, and a revision that a crash takes back is
 * given to another write. A commit of ours that was acknowledged vouches for all revisions up to its own, as revisions
 * are in the order of commits and so of the redo log; others' are pushed to the disk where they are not there yet.
 */
export interface ChangeLog extends Part {
  /** The newest revision that readers may see; 0 before the first was read. */
  head(): number;
  epoch(): string;
  /** Whether the table could be read within the last seconds. */
  isLive(): boolean;
  /** The segments of a transaction of this process whose commit was acknowledged. */
  offer(segments: readonly ChangeSegment[]): void;
  /** Resolves when `head` has reached the revision. Rejects when the signal aborts. */
  reached(revision: number, signal: AbortSignal): Promise<void>;
  /** Resolves when `head` is beyond the revision, or has moved, or after the time. Rejects when the signal aborts. */
  beyond(revision: number, timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** Some of the events after a revision, at least one if there is any up to `head`, and no more than a reader may hold. Throws RESUME_TOKEN_EXPIRED. */
  read(afterRevision: number): Promise<readonly ChangeEvent[]>;
}

export function createChangeLog(database: Database, logger: Logger): ChangeLog {
  let position: LogPosition | undefined;
  /** Our own acknowledged commits reach up to here. */
  let vouched = 0;
  let offered: ChangeSegment[] = [];
  const recent = createRecentSegments(RECENT, READ);
  let waiters = new Set<() => void>();
  let wake = () => {};
  let isOutageTold = false;
  let lastReadMs = Number.NEGATIVE_INFINITY;
  let purgeLookMs = Number.NEGATIVE_INFINITY;
  /** Where we stood when there was more at the last look. */
  let stuckAt: number | undefined;
  let following: Promise<void> | undefined;
  const stopping = new AbortController();

  const head = () => position?.revision ?? 0;

  function advance(segments: readonly ChangeSegment[]): void {
    if (position === undefined) return;
    let revision = position.revision;
    for (const segment of segments) {
      if (segment.revision <= revision) continue;
      if (segment.firstRevision > revision + 1) break;
      recent.push(segment);
      revision = segment.revision;
    }
    if (revision === position.revision) return;
    position = { ...position, revision };
    wakeWaiters();
  }

  function wakeWaiters(): void {
    const woken = waiters;
    waiters = new Set();
    for (const resolve of woken) resolve();
  }

  /** What was offered joins as soon as nothing is lacking before it; others' commits in between are read first. */
  function advanceByOffered(): void {
    offered.sort((a, b) => a.firstRevision - b.firstRevision);
    advance(offered);
    offered = offered.filter((segment) => segment.revision > head());
  }

  function offer(segments: readonly ChangeSegment[]): void {
    for (const segment of segments) vouched = Math.max(vouched, segment.revision);
    if (position === undefined) return;
    offered.push(...segments);
    advanceByOffered();
    // What is lacking is in the table: another process's commit, or a group of ours whose acknowledgement is on its way.
    if (offered.length > 0) wake();
    if (offered.length > OFFERED_SEGMENTS) offered = [];
  }

  async function readTable(connection: SqlConnection): Promise<boolean> {
    const segments = await readSegments(connection, head(), READ_SEGMENTS);
    lastReadMs = performance.now();
    isOutageTold = false;
    const run = contiguous(segments, head());
    const last = run.at(-1);
    if (last === undefined) {
      await leapOverPurged(connection);
      return false;
    }
    if (last.revision > vouched) await flushVisible(connection);
    advance(run);
    advanceByOffered();
    return segments.length === READ_SEGMENTS;
  }

  /**
   * A process that was cut off for longer than changes are kept finds a gap that no commit will fill. It goes on behind
   * it, and readers that stand before it are told that the log does not reach back so far.
   */
  async function leapOverPurged(connection: SqlConnection): Promise<void> {
    if (performance.now() - purgeLookMs < PURGE_LOOK_MS) return;
    purgeLookMs = performance.now();
    const hasMore = (await readPosition(connection)).revision > head();
    const isStuck = hasMore && stuckAt === head();
    stuckAt = hasMore ? head() : undefined;
    if (!isStuck) return;
    logger.warn({ revision: head() }, "changes were purged before this process could read them; its watches end");
    position = await readFlushedPosition(connection);
    recent.clear();
    wakeWaiters();
  }

  async function followOn(connection: SqlConnection): Promise<void> {
    position ??= await readFlushedPosition(connection);
    while (!stopping.signal.aborted) {
      while (await readTable(connection));
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, POLL_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async function follow(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await database.withConnection(followOn);
      } catch (error) {
        if (!isOutageTold && !stopping.signal.aborted)
          logger.warn({ err: error }, "the change log cannot be read; trying again");
        isOutageTold = true;
        await wait(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  }

  /** Resolves at the next advance, or after the time. Rejects when the signal aborts. */
  function nextAdvance(signal: AbortSignal, timeoutMs?: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const end = (settle: () => void) => {
        waiters.delete(onAdvance);
        signal.removeEventListener("abort", onAbort);
        clearTimeout(timer);
        settle();
      };
      const onAbort = () => end(() => reject(signal.reason));
      const onAdvance = () => end(resolve);
      const timer = timeoutMs === undefined ? undefined : setTimeout(onAdvance, Math.max(1, timeoutMs));
      waiters.add(onAdvance);
      signal.addEventListener("abort", onAbort);
    });
  }

  async function reached(revision: number, signal: AbortSignal): Promise<void> {
    while (head() < revision) await nextAdvance(signal);
  }

  return {
    name: "change-log",
    head,
    epoch: () => position?.epoch ?? "",
    isLive: () => performance.now() - lastReadMs < LIVE_MS,
    offer,
    reached,
    async beyond(revision, timeoutMs, signal) {
      if (head() <= revision) await nextAdvance(signal, timeoutMs);
    },
    async read(afterRevision) {
      if (afterRevision >= head()) return [];
      const held = recent.after(afterRevision);
      if (held !== undefined) return held;
      const until = head();
      const segments = await database.query(() =>
        database.withConnection((connection) => readSegments(connection, afterRevision, CATCH_UP_SEGMENTS)),
      );
      const run = contiguous(segments, afterRevision);
      if (run.length === 0) {
        throw expired();
      }
      return run.flatMap((segment) => segment.events).filter((e) => e.revision > afterRevision && e.revision <= until);
    },
    async start(signal) {
      following = follow();
      while (position === undefined) await wait(POLL_MS, undefined, { signal });
    },
    async stop() {
      stopping.abort();
      wake();
      await following;
    },
  };
}

/** What a reader asks for has been purged, or was never written: it starts over. */
export function expired(): ServiceError {
  return new ServiceError(
    "RESUME_TOKEN_EXPIRED",
    "the change log does not reach back to this token; watch again without one",
  );
}

/** The segments that follow each other without a gap from a revision on. */
function contiguous(segments: readonly ChangeSegment[], afterRevision: number): ChangeSegment[] {
  const run: ChangeSegment[] = [];
  let revision = afterRevision;
  for (const segment of segments) {
    if (segment.firstRevision > revision + 1) break;
    run.push(segment);
    revision = segment.revision;
  }
  return run;
}

async function readFlushedPosition(connection: SqlConnection): Promise<LogPosition> {
  const position = await readPosition(connection);
  await flushVisible(connection);
  return position;
}
