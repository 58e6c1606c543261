import type { SqlConnection } from "../database/database.js";
import { toDatetime } from "../database/instants.js";
import { inStatements } from "../database/statement-size.js";
import { plain, type Statement } from "../database/statements.js";
import { type ChangeSegment, decodeSegment, type NewSegment, segmentAt } from "./change-event.js";

/** Where the log stands. */
export interface LogPosition {
  readonly revision: number;
  /** Names this log: revisions of another mean nothing here. */
  readonly epoch: string;
}

/**
 * Gives out revisions and writes segments; the last thing a transaction does, since from here to its commit it holds
 * the lock that makes the order of revisions the order of commits. What is written names its revisions by what the
 * counter will be.
 */
export function appendSegments(segments: readonly NewSegment[], nowMs: number): Statement[] {
  if (segments.length === 0) return [];
  const size = sizeOf(segments);
  let left = size;
  const placed = segments.map((segment) => {
    const firstIsBefore = left - 1;
    left -= segment.changes.length;
    return { ...segment, firstIsBefore, lastIsBefore: left };
  });
  return [
    plain("UPDATE change_counter SET revision = LAST_INSERT_ID(revision + ?) WHERE id = 1", [size]),
    ...inStatements(placed, ({ payload }) => payload.byteLength).map((part) => ({
      sql: `INSERT INTO changes (revision, first_revision, kind, commit_time, payload)
         VALUES ${part.map(() => "(LAST_INSERT_ID() - ?,LAST_INSERT_ID() - ?,?,?,?)").join(",")}`,
      values: part.flatMap(({ kind, payload, firstIsBefore, lastIsBefore }) => [
        ...[lastIsBefore, firstIsBefore, kind, toDatetime(nowMs), Buffer.from(payload)],
      ]),
      bytes: part.reduce((sum, { payload }) => sum + payload.byteLength, 0),
    })),
  ];
}

/** The revision that the session's last `appendSegments` ended with. */
export const LAST_REVISION: Statement = plain("SELECT LAST_INSERT_ID() AS revision");

/** Appended segments, the last of which ends with the revision. */
export function placeSegments(segments: readonly NewSegment[], revision: number): ChangeSegment[] {
  let next = revision - sizeOf(segments) + 1;
  return segments.map((segment) => {
    const written = segmentAt(next, segment);
    next = written.revision + 1;
    return written;
  });
}

function sizeOf(segments: readonly NewSegment[]): number {
  return segments.reduce((sum, { changes }) => sum + changes.length, 0);
}

/**
 * Segments that end after a revision, in order. Those of transactions that commit meanwhile may be lacking in between. Ends
 * before a segment that somebody damaged: to its readers that one is as good as purged.
 *
 * @param after asked once more when they are here: what has come another way meanwhile is left out
 */
export async function readSegments(
  connection: SqlConnection,
  after: () => number,
  limit: number,
): Promise<ChangeSegment[]> {
  const rows: StoredSegment[] = await connection.query(
    `SELECT revision, LEAST(first_revision, ?) AS first, kind, payload FROM changes
       WHERE revision > ? AND revision <= ? ORDER BY revision LIMIT ?`,
    [Number.MAX_SAFE_INTEGER, after(), Number.MAX_SAFE_INTEGER, limit],
  );
  const segments: ChangeSegment[] = [];
  for (const row of rows) {
    const revision = Number(row.revision);
    if (revision <= after()) continue;
    const segment = readSegment(row);
    if (segment?.revision !== revision) {
      connection.onDamage?.({
        table: "changes",
        key: String(row.revision),
        columns: ["first_revision", "kind", "payload"],
      });
      break;
    }
    segments.push(segment);
  }
  return segments;
}

interface StoredSegment {
  readonly revision: number;
  readonly first: number;
  readonly kind: string;
  readonly payload: Uint8Array;
}

function readSegment({ first, kind, payload }: StoredSegment): ChangeSegment | undefined {
  try {
    return decodeSegment(Number(first), kind, payload);
  } catch {
    return undefined;
  }
}

/** The segments that follow each other without a gap from a revision on. */
export function contiguous(segments: readonly ChangeSegment[], afterRevision: number): ChangeSegment[] {
  const run: ChangeSegment[] = [];
  let revision = afterRevision;
  for (const segment of segments) {
    if (segment.firstRevision > revision + 1) break;
    run.push(segment);
    revision = segment.revision;
  }
  return run;
}

export async function readPosition(connection: SqlConnection): Promise<LogPosition> {
  const rows: LogPosition[] = await connection.query("SELECT revision, epoch FROM change_counter WHERE id = 1");
  const position = rows[0];
  if (position === undefined) throw new Error("the change counter is missing");
  return { revision: Number(position.revision), epoch: position.epoch };
}

/** Tells a segment from another one that was given its revisions later, in a database that was set back. */
export interface SegmentWitness {
  /** The segment's last revision. */
  readonly revision: number;
  readonly checksum: number;
}

/** The segment that ends at a revision; undefined where there is none, or none any more. */
export async function readWitness(connection: SqlConnection, revision: number): Promise<SegmentWitness | undefined> {
  const rows: { checksum: number }[] = await connection.query(
    "SELECT CRC32(CONCAT(first_revision, ' ', commit_time, payload)) AS checksum FROM changes WHERE revision = ?",
    [revision],
  );
  const [row] = rows;
  return row === undefined ? undefined : { revision, checksum: Number(row.checksum) };
}

/**
 * Gives the log another name, after the database was set back: tokens of what was taken back must mean nothing to what is
 * written from now on. Does nothing where another process has done it.
 */
export async function renewEpoch(connection: SqlConnection, epoch: string): Promise<void> {
  await connection.query("UPDATE change_counter SET epoch = LEFT(MD5(RAND()), 16) WHERE id = 1 AND epoch = ?", [epoch]);
}

const HOLD_COUNTER = "SELECT revision FROM change_counter WHERE id = 1 LOCK IN SHARE MODE";

/**
 * Reads at exactly one revision: the counter is held shared meanwhile, so that no transaction is between giving out
 * its revision and being visible (InnoDB does not build a read view atomically). `read` is one statement. All four are
 * sent at once: writers wait for the server's own time alone, however busy this process is.
 */
export async function readAtRevision<T>(
  connection: SqlConnection,
  read: () => Promise<T>,
): Promise<{ revision: number; result: T }> {
  const [, rows, result]: [unknown, { revision: number }[], T, unknown] = await Promise.all([
    connection.query("BEGIN"),
    connection.query(HOLD_COUNTER),
    read(),
    connection.query("COMMIT"),
  ]);
  return { revision: Number(rows[0]?.revision), result };
}

/**
 * The same for what takes long, by a second connection: the counter is held only until that one has a read view, so that
 * no writer waits for the reading.
 */
export async function readSnapshot<T>(
  holder: SqlConnection,
  reader: SqlConnection,
  read: (connection: SqlConnection) => Promise<T>,
): Promise<{ revision: number; result: T }> {
  await reader.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  // One after the other: nothing but our waiting orders what two connections do.
  await holder.query("BEGIN");
  const [row]: { revision: number }[] = await holder.query(HOLD_COUNTER);
  await reader.query("START TRANSACTION WITH CONSISTENT SNAPSHOT");
  await holder.query("COMMIT");
  const result = await read(reader);
  await reader.query("COMMIT");
  return { revision: Number(row?.revision), result };
}

/** How far the redo log has been written, and how far flushed. */
async function readLogSequence(connection: SqlConnection): Promise<{ current: number; flushed: number }> {
  const rows: { Variable_name: string; Value: string }[] = await connection.query(
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_lsn_current', 'Innodb_lsn_flushed')",
  );
  const values = new Map(rows.map((row) => [row.Variable_name, Number(row.Value)]));
  // A server that does not say counts as not flushed.
  return { current: values.get("Innodb_lsn_current") ?? 1, flushed: values.get("Innodb_lsn_flushed") ?? 0 };
}

/**
 * Returns once all that is visible is on disk: by the redo log's own word, or else by a commit of ours, whose flush takes
 * along what came before it. Waiting would take long: other work moves the log on, which is flushed once a second.
 */
export async function flushVisible(connection: SqlConnection): Promise<void> {
  const { current, flushed } = await readLogSequence(connection);
  if (flushed < current) await connection.query("UPDATE change_flushes SET n = n + 1 WHERE id = 1");
}

/** Removes old segments, a small batch at a time. @returns how many it removed */
export async function purgeSegments(connection: SqlConnection, beforeMs: number, limit: number): Promise<number> {
  const outcome: { affectedRows: number } = await connection.query(
    "DELETE FROM changes WHERE commit_time < ? ORDER BY commit_time LIMIT ?",
    [toDatetime(beforeMs), limit],
  );
  return outcome.affectedRows;
}
