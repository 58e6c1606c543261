import { LATENCY_BIN_FLOORS_MS } from "@taskscheduler/domain";
import type { SqlConnection } from "../database/database.js";
import { toDatetime } from "../database/instants.js";
import { uncast } from "../database/select.js";
import { joinSql, raw, type Sql, sql } from "../database/sql.js";
import { plain, type Statement } from "../database/statements.js";
import {
  HOUR_MINUTES,
  HOUR_SLOTS,
  SLOT_MINUTES,
  SLOT_MS,
  STAT_KINDS,
  type StatDelta,
  type StatKind,
} from "./execution-stats.js";
import type { SlotRange, StatReads } from "./stat-reads.js";
import type { SummaryInterval } from "./summary-interval.js";

/** A count that somebody set near the column's end must not fail the writes that add to it. */
const MAX_COUNT = 2_147_483_647;

/** So many executions of a bucket of the interval have a state, or fall in a bin. One cell may come several times. */
export type AddCount = (bucket: number, kind: StatKind, bin: number, count: number) => void;

/** Writes what changed, in the order of the key. The values are our own numbers, so they need no parameters. */
export function addStats(deltas: readonly StatDelta[]): Statement[] {
  if (deltas.length === 0) return [];
  const values = deltas.map(({ minutes, slot, kind, bin, count }) => `(${minutes},${slot},'${kind}',${bin},${count})`);
  return [
    plain(`INSERT INTO execution_stats (minutes, slot, kind, bin, count) VALUES ${values.join(",")}
         ON DUPLICATE KEY UPDATE count = GREATEST(${-MAX_COUNT}, LEAST(${MAX_COUNT}, count + VALUES(count)))`),
  ];
}

/** Removes rows of slots that ended before the instant and count nothing any more. @returns how many it removed */
export async function purgeStats(connection: SqlConnection, beforeMs: number, limit: number): Promise<number> {
  const beforeSlot = Math.floor(beforeMs / SLOT_MS);
  const outcome: { affectedRows: number } = await connection.query(
    `DELETE FROM execution_stats WHERE count = 0
         AND (minutes = ${SLOT_MINUTES} AND slot < ? OR minutes = ${HOUR_MINUTES} AND slot <= ?)
       ORDER BY minutes, slot, kind, bin LIMIT ?`,
    [beforeSlot, beforeSlot - HOUR_SLOTS, limit],
  );
  return outcome.affectedRows;
}

/** Reads what was added up. One statement: it sees one state of the database. */
export async function readStats(connection: SqlConnection, reads: StatReads, add: AddCount): Promise<void> {
  const { fromSlot, bucketSlots, hours, slots } = reads;
  const bucketOf = (slot: string) => raw(`(${slot} - ${fromSlot}) DIV ${bucketSlots}`);
  const bucket = bucketOf("slot");
  const lastBucket = bucketOf(`slot + ${HOUR_SLOTS - 1}`);
  const ofHours = (range: SlotRange) =>
    sql`minutes = ${HOUR_MINUTES} AND ${within(range)} AND ${bucket} = ${lastBucket}`;
  const ofSlots = (some: SlotRange | readonly number[]) =>
    sql`minutes = ${SLOT_MINUTES} AND ${"from" in some ? within(some) : sql`slot IN (${some})`}`;
  const parts = [hours && ofHours(hours), slots && ofSlots(slots)].flatMap((where) =>
    where === undefined
      ? []
      : [
          sql`(SELECT ${bucket} AS bucket, kind + 0 AS kind, bin, CAST(SUM(count) AS INT) AS count
               FROM execution_stats FORCE INDEX (PRIMARY) WHERE ${where} GROUP BY 1, 2, 3)`,
        ],
  );
  const { text, values } = joinSql(parts, " UNION ALL ");
  const rows: { bucket: number; kind: number; bin: number; count: number }[] = await connection.query(
    uncast(text),
    values,
  );
  for (const { bucket, kind, bin, count } of rows) {
    const known = STAT_KINDS[kind - 1];
    if (known !== undefined && (known === "STATE" || isLatencyBin(bin))) add(bucket, known, bin, count);
    else connection.onDamage?.({ table: "execution_stats", key: `${kind} ${bin}`, columns: ["kind", "bin"] });
  }
}

function isLatencyBin(bin: number): boolean {
  return bin < LATENCY_BIN_FLOORS_MS.length;
}

const FLOORS = LATENCY_BIN_FLOORS_MS.slice(1).join(",");

/** The bin of a time between two columns, -1 where one of them is null, or the execution has not run to its end. */
function binBetween(from: string, to: string): Sql {
  const timeMs = `TIMESTAMPDIFF(MICROSECOND, ${from}, ${to}) DIV 1000`;
  return raw(`IF(state IN ('SUCCEEDED','FAILED'), INTERVAL(${timeMs},${FLOORS}), -1)`);
}

const LATENESS_BIN = binBetween("scheduled_time", "start_time");
const DURATION_BIN = binBetween("start_time", "end_time");
/** From the year 0 to 1970. */
const EPOCH_SECONDS = 62_167_219_200;

/** Counts the rows of one task: some 2 µs each. */
export async function countTaskExecutions(
  connection: SqlConnection,
  taskId: number,
  { startMs, endMs, bucketMs }: SummaryInterval,
  add: AddCount,
): Promise<void> {
  const [startSeconds, bucketSeconds] = [startMs / 1_000 + EPOCH_SECONDS, bucketMs / 1_000];
  const { text, values } = sql`SELECT (TO_SECONDS(scheduled_time) - ${startSeconds}) DIV ${bucketSeconds} AS bucket,
      state + 0 AS state, ${LATENESS_BIN} AS lateness, ${DURATION_BIN} AS duration, COUNT(*) AS count
    FROM executions FORCE INDEX (PRIMARY)
    WHERE task_id = ${taskId} AND scheduled_time BETWEEN ${toDatetime(startMs)} AND ${toDatetime(endMs - 1)}
    GROUP BY 1, 2, 3, 4`;
  const rows: { bucket: number; state: number; lateness: number; duration: number; count: number }[] =
    await connection.query(uncast(text), values);
  for (const { bucket, state, lateness, duration, count } of rows) {
    add(bucket, "STATE", state, count);
    if (lateness >= 0) add(bucket, "LATENESS", lateness, count);
    if (duration >= 0) add(bucket, "DURATION", duration, count);
  }
}

function within({ from, to }: SlotRange): Sql {
  return sql`slot >= ${from} AND slot < ${to}`;
}
