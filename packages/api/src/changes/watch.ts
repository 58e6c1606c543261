import type { HandlerContext } from "@connectrpc/connect";
import type { Database, SqlConnection } from "../database/database.js";
import { databaseUnavailable } from "../database/database-error.js";
import { orderlyEnd } from "../policies/orderly-end.js";
import type { ChangeEvent } from "./change-event.js";
import type { ChangeLog, LogReader } from "./change-log.js";
import { readAtRevision } from "./change-store.js";
import { readResumeToken } from "./resume-token.js";

/** A watch without news hears from us this often. */
const BOOKMARK_MS = 5_000;
/**
 * Watches end when the log could not be read for this long: another API may have its database. Longer than a restart of
 * MariaDB takes.
 */
const LONGEST_SILENCE_MS = 10_000;
/** What a page of a snapshot, and so a reader, holds in memory. */
const SNAPSHOT_PAGE = { rows: 500, bytes: 256 * 1024 };

/** What is watched: how its snapshot is read by pages in the order of a key, and which changes concern the watcher. */
export interface WatchSource<R, E, A> {
  /** How many of the rows after `last` a page may hold. Absent where rows are small. */
  readonly pageSize?: (connection: SqlConnection, last: R | undefined, bounds: PageBounds) => Promise<number>;
  /** One statement; rows after `last`, in the order of their key. */
  readonly page: (connection: SqlConnection, last: R | undefined, limit: number) => Promise<R[]>;
  /** Undefined: not this watcher's. */
  readonly rowEvent: (row: R) => E | undefined;
  readonly changeEvent: (event: ChangeEvent) => E | undefined;
  /** Whether a change is of something whose page, up to `last`, has been sent. */
  readonly isWithin: (event: ChangeEvent, last: R) => boolean;
  readonly snapshotComplete: E;
  readonly bookmark: E;
  /** As it is sent. @param change what it tells of, with a token that resumes after it */
  readonly answer: (item: WatchItem<E>, change?: ChangeEvent) => A;
}

export interface PageBounds {
  readonly rows: number;
  readonly bytes: number;
}

export interface WatchItem<E> {
  readonly event: E;
  readonly revision: number;
  /** Of the log that a token resumes. Undefined until the snapshot is complete: what came before cannot be resumed. */
  readonly epoch: string | undefined;
}

/** The parts of a call that can end a watch. */
export type WatchCall = Pick<HandlerContext, "signal" | "values">;

/**
 * A snapshot and then every change, or every change after a token; each reader at its own pace. An orderly end waits until
 * the snapshot is complete, because the reader cannot resume before. Throws DATABASE_UNAVAILABLE when the log cannot be
 * read for 10 s.
 *
 * The snapshot is no long transaction: each page is read at exactly one revision, and before it is sent, the changes up
 * to that revision of what was sent earlier are. So each item is as new as all others when the snapshot is complete.
 */
export async function* watch<R, E, A>(
  database: Database,
  changeLog: ChangeLog,
  source: WatchSource<R, E, A>,
  token: string,
  { signal, values }: WatchCall,
): AsyncGenerator<A> {
  // What cannot be read yet has not expired: without the log the caller is told to try again, and keeps its place.
  const log = changeLog.open();
  let revision = await readResumeToken(log, token, changeLog.isLive, signal);
  if (revision === undefined) {
    revision = yield* snapshot(database, log, source, signal);
    yield source.answer({ event: source.snapshotComplete, revision, epoch: log.epoch });
  }
  const ended = AbortSignal.any([signal, values.get(orderlyEnd)]);
  let toldMs = performance.now();
  for (;;) {
    ended.throwIfAborted();
    const patienceMs = LONGEST_SILENCE_MS - changeLog.silentMs();
    if (patienceMs <= 0) throw databaseUnavailable();
    const events = await log.read(revision, ended);
    for (const change of events) {
      revision = change.revision;
      const event = source.changeEvent(change);
      if (event === undefined) continue;
      yield source.answer({ event, revision, epoch: log.epoch }, change);
      toldMs = performance.now();
    }
    if (performance.now() - toldMs >= BOOKMARK_MS) {
      yield source.answer({ event: source.bookmark, revision, epoch: log.epoch });
      toldMs = performance.now();
    }
    const bookmarkMs = BOOKMARK_MS - (performance.now() - toldMs);
    await log.pacedBeyond(revision, Math.min(bookmarkMs, patienceMs), ended);
  }
}

async function* snapshot<R, E, A>(
  database: Database,
  log: LogReader,
  source: WatchSource<R, E, A>,
  signal: AbortSignal,
): AsyncGenerator<A, number> {
  let last: R | undefined;
  let revision: number | undefined;
  for (;;) {
    signal.throwIfAborted();
    const from = last;
    const page = await database.snapshot(
      () => database.withConnection((connection) => readPage(connection, source, from)),
      signal,
    );
    // What is not flushed yet is not told.
    await log.reached(page.revision, signal);
    if (last !== undefined && revision !== undefined) {
      yield* replay(log, source, { afterRevision: revision, untilRevision: page.revision, last }, signal);
    }
    revision = page.revision;
    for (const row of page.result) {
      const event = source.rowEvent(row);
      if (event !== undefined) yield source.answer({ event, revision, epoch: undefined });
    }
    if (page.isLast) return revision;
    last = page.result.at(-1);
  }
}

/** The rows are counted before the counter is held; one that has grown since makes the page as much larger, no more. */
async function readPage<R, E, A>(connection: SqlConnection, source: WatchSource<R, E, A>, last: R | undefined) {
  const limit = (await source.pageSize?.(connection, last, SNAPSHOT_PAGE)) ?? SNAPSHOT_PAGE.rows;
  const { revision, result } = await readAtRevision(connection, () => source.page(connection, last, limit));
  return { revision, result, isLast: result.length < limit };
}

/** What has changed of the rows up to `last`. */
async function* replay<R, E, A>(
  log: LogReader,
  source: WatchSource<R, E, A>,
  { afterRevision, untilRevision, last }: { afterRevision: number; untilRevision: number; last: R },
  signal: AbortSignal,
): AsyncGenerator<A> {
  let revision = afterRevision;
  while (revision < untilRevision) {
    for (const change of await log.read(revision, signal)) {
      if (change.revision > untilRevision) return;
      revision = change.revision;
      const event = source.isWithin(change, last) ? source.changeEvent(change) : undefined;
      if (event !== undefined) yield source.answer({ event, revision, epoch: undefined });
    }
  }
}
