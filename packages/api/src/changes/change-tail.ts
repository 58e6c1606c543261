import { type Logger, type Part, sleep } from "@taskscheduler/runtime";
import type { Database, SqlConnection } from "../database/database.js";
import type { ChangeSegment } from "./change-event.js";
import {
  contiguous,
  flushVisible,
  type LogPosition,
  readPosition,
  readSegments,
  readWitness,
  renewEpoch,
  type SegmentWitness,
} from "./change-store.js";

/** How often other processes' commits are looked for. Our own are known at once. */
const POLL_MS = 20;
/** While our own commits follow each other without a gap nobody else has committed: then the table is read this often. */
const FED_POLL_MS = 200;
/** A gap before our own commits is looked at after this: most are closed by then, by the commit before. */
const GAP_MS = 4;
const READ_SEGMENTS = 64;
/** Our own commits that wait for others'; beyond this they are read from the table as well. */
const OFFERED_SEGMENTS = 256;
const RETRY_MS = 200;
/** How often it is made sure that the log is still the one that was read, and that nothing was purged before it was. */
const LOOK_MS = 1_000;
const LIVE_MS = 2_000;

/**
 * Follows the log's table, once for all readers of this process, and hands on the contiguous run of what is committed and
 * flushed.
 *
 * Only what is flushed is told: InnoDB shows a commit before it is on disk, and a revision that a crash takes back is
 * given to another write. A commit of ours that was acknowledged vouches for all revisions up to its own, as revisions
 * are in the order of commits and so of the redo log; others' are pushed to the disk where they are not there yet.
 */
export interface ChangeTail extends Part {
  /** How far it has come; undefined before the table was read first. */
  position(): LogPosition | undefined;
  /** Whether the table could be read within the last seconds. */
  isLive(): boolean;
  /** Milliseconds since the last successful read of the table; infinite before the first one. */
  silentMs(): number;
  /** The segments of a transaction of this process whose commit was acknowledged. */
  offer(segments: readonly ChangeSegment[]): void;
}

export interface ChangeTailOptions {
  readonly database: Database;
  readonly logger: Logger;
  /** The position has moved on over these segments. */
  readonly onAdvanced: (segments: readonly ChangeSegment[]) => void;
  /** What came before the new position is not known, or is of another log. */
  readonly onLeapt: () => void;
}

export function createChangeTail({ database, logger, onAdvanced, onLeapt }: ChangeTailOptions): ChangeTail {
  let position: LogPosition | undefined;
  /** Our own acknowledged commits reach up to here. */
  let vouched = 0;
  let offered: ChangeSegment[] = [];
  /** Our own commits have moved the position on since the last poll, and nothing was lacking before them. */
  let isFed = false;
  let gapTimer: NodeJS.Timeout | undefined;
  let wake = () => {};
  let isOutageTold = false;
  let lastReadMs = Number.NEGATIVE_INFINITY;
  let lookMs = Number.NEGATIVE_INFINITY;
  /** Where we stood at the last look. */
  let witness: SegmentWitness | undefined;
  /** Where we stood when there was more at the last look. */
  let stuckAt: number | undefined;
  let following: Promise<void> | undefined;
  const stopping = new AbortController();

  const head = () => position?.revision ?? 0;
  const silentMs = () => performance.now() - lastReadMs;

  function advance(segments: readonly ChangeSegment[]): void {
    if (position === undefined) return;
    const from = position.revision;
    const run = contiguous(
      segments.filter((segment) => segment.revision > from),
      from,
    );
    const last = run.at(-1);
    if (last === undefined) return;
    position = { ...position, revision: last.revision };
    onAdvanced(run);
  }

  function wakeSoon(): void {
    gapTimer ??= setTimeout(() => {
      gapTimer = undefined;
      if (offered.length > 0) wake();
    }, GAP_MS);
  }

  /** What was offered joins as soon as nothing is lacking before it; others' commits in between are read first. */
  function advanceByOffered(): void {
    offered.sort((a, b) => a.firstRevision - b.firstRevision);
    advance(offered);
    offered = offered.filter((segment) => segment.revision > head());
  }

  async function readTable(connection: SqlConnection): Promise<boolean> {
    const segments = await readSegments(connection, head, READ_SEGMENTS);
    lastReadMs = performance.now();
    isOutageTold = false;
    // What was offered while they were read has moved the head on.
    const last = contiguous(segments, head()).at(-1);
    if (last !== undefined) {
      if (last.revision > vouched) await flushVisible(connection);
      advance(segments);
      advanceByOffered();
    }
    if (performance.now() - lookMs >= LOOK_MS) await look(connection);
    return last !== undefined && segments.length === READ_SEGMENTS;
  }

  /** Whether the log is still the one that we have read, and whether what comes next in it is still there. */
  async function look(connection: SqlConnection): Promise<void> {
    const known = position;
    const found = await readPosition(connection);
    lookMs = performance.now();
    if (known === undefined) return;
    if (found.epoch !== known.epoch || found.revision < known.revision || (await isOverwritten(connection))) {
      // Restored from a backup: what we know after its state is taken back, and its revisions are given out again.
      if (found.epoch === known.epoch) await renewEpoch(connection, known.epoch);
      logger.error({ known, found }, "the database holds another change log, or an earlier state of it; watches end");
      await leap(connection);
      return;
    }
    witness = await readWitness(connection, known.revision);
    // Cut off for longer than changes are kept, we stand before a gap that no commit will fill.
    const isBehind = found.revision > head();
    const isStuck = isBehind && stuckAt === head();
    stuckAt = isBehind ? head() : undefined;
    if (!isStuck) return;
    logger.warn({ revision: head() }, "changes were purged before this process could read them; its watches end");
    await leap(connection);
  }

  /** Others' writes may have come past our position before we could see that it had been set back. */
  async function isOverwritten(connection: SqlConnection): Promise<boolean> {
    if (witness === undefined) return false;
    const found = await readWitness(connection, witness.revision);
    // Not there: retention has taken it.
    return found !== undefined && found.checksum !== witness.checksum;
  }

  async function leap(connection: SqlConnection): Promise<void> {
    const found = await readPosition(connection);
    await flushVisible(connection);
    position = found;
    vouched = 0;
    offered = [];
    witness = undefined;
    onLeapt();
  }

  async function followOn(connection: SqlConnection): Promise<void> {
    if (position === undefined) await leap(connection);
    while (!stopping.signal.aborted) {
      let isReadDue = !isFed || performance.now() - lastReadMs >= FED_POLL_MS;
      while (isReadDue) isReadDue = await readTable(connection);
      isFed = false;
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
        // What is found after an outage may be another log.
        lookMs = Number.NEGATIVE_INFINITY;
        await sleep(RETRY_MS, stopping.signal).catch(() => undefined);
      }
    }
  }

  return {
    name: "change tail",
    position: () => position,
    isLive: () => silentMs() < LIVE_MS,
    silentMs,
    offer(segments) {
      // A group that wrote nothing vouches for nothing.
      if (segments.length === 0) return;
      for (const segment of segments) vouched = Math.max(vouched, segment.revision);
      if (position === undefined) return;
      offered.push(...segments);
      advanceByOffered();
      isFed = offered.length === 0;
      // What is lacking is another process's commit, which is in the table, or a group of ours whose acknowledgement is
      // on its way.
      if (!isFed) wakeSoon();
      if (offered.length > OFFERED_SEGMENTS) offered = [];
    },
    async start(signal) {
      following = follow();
      while (position === undefined) await sleep(POLL_MS, signal);
    },
    async stop() {
      stopping.abort();
      clearTimeout(gapTimer);
      wake();
      await following;
    },
  };
}
