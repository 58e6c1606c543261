import { countColumn, enumColumn, idColumn, textColumn, uint32Column } from "../database/column-readers.js";
import { createRowShape } from "../database/columns.js";
import type { SqlConnection } from "../database/database.js";
import { toDatetime } from "../database/instants.js";
import { selectRows } from "../database/select.js";
import { sql } from "../database/sql.js";

/** A registration of a scheduler that has not ended. */
export interface Registration {
  readonly incarnation: number;
  readonly schedulerId: string;
  readonly state: "LIVE" | "DRAINING";
  readonly beat: number;
  /** What it was promised when it registered. */
  readonly leaseMs: number;
}

export interface NewRegistration {
  readonly schedulerId: string;
  /** A UUID. */
  readonly processId: string;
  readonly leaseMs: number;
}

/** Ends what the process registered before: it knows only the last answer. @returns the incarnation */
export async function register(
  connection: SqlConnection,
  { schedulerId, processId, leaseMs }: NewRegistration,
  nowMs: number,
): Promise<number> {
  await connection.query("BEGIN");
  await connection.query("UPDATE schedulers SET state = 'ENDED' WHERE process_id = ? AND state <> 'ENDED'", [
    processId,
  ]);
  const rows: { incarnation: number }[] = await connection.query(
    "INSERT INTO schedulers (scheduler_id, process_id, lease_ms, register_time) VALUES (?, ?, ?, ?) RETURNING incarnation",
    [schedulerId, processId, leaseMs, toDatetime(nowMs)],
  );
  await connection.query("COMMIT");
  return Number(rows[0]?.incarnation);
}

/** @returns false when the registration has ended */
export async function beat(
  connection: SqlConnection,
  incarnation: number,
  state: "LIVE" | "DRAINING" | "ENDED",
): Promise<boolean> {
  const outcome: { affectedRows: number } = await connection.query(
    "UPDATE schedulers SET beat = beat + 1, state = ? WHERE incarnation = ? AND state <> 'ENDED'",
    [state, incarnation],
  );
  return outcome.affectedRows === 1;
}

const REGISTRATION_SHAPE = createRowShape(
  "schedulers",
  ["incarnation"],
  [
    { attribute: "incarnation", field: "incarnation", reader: idColumn },
    { attribute: "schedulerId", field: "scheduler_id", reader: textColumn },
    // Gets no shards, and is heard all the same.
    { attribute: "state", field: "state", reader: enumColumn(["LIVE", "DRAINING"], "DRAINING") },
    { attribute: "beat", field: "beat", expression: `LEAST(beat, ${Number.MAX_SAFE_INTEGER})`, reader: countColumn },
    { attribute: "leaseMs", field: "lease_ms", reader: uint32Column },
  ],
);

export async function findRegistrations(connection: SqlConnection): Promise<Registration[]> {
  return selectRows<Registration>(
    connection,
    REGISTRATION_SHAPE,
    sql`SELECT ${REGISTRATION_SHAPE.select} FROM schedulers WHERE state <> 'ENDED' ORDER BY incarnation`,
  );
}

export async function findIncarnations(connection: SqlConnection): Promise<Map<number, string>> {
  const registrations = await findRegistrations(connection);
  return new Map(registrations.map((registration) => [registration.incarnation, registration.schedulerId]));
}

/** Ends a registration, unless it has beaten since. @returns whether it has ended */
export async function endRegistration(
  connection: SqlConnection,
  incarnation: number,
  atBeat: number,
): Promise<boolean> {
  const outcome: { affectedRows: number } = await connection.query(
    "UPDATE schedulers SET state = 'ENDED' WHERE incarnation = ? AND beat = ?",
    [incarnation, atBeat],
  );
  return outcome.affectedRows === 1;
}

/** Forgets registrations that ended; a claim whose registration is not there belongs to nobody alive. */
export async function purgeRegistrations(connection: SqlConnection, beforeMs: number, limit: number): Promise<number> {
  const outcome: { affectedRows: number } = await connection.query(
    "DELETE FROM schedulers WHERE state = 'ENDED' AND register_time < ? LIMIT ?",
    [toDatetime(beforeMs), limit],
  );
  return outcome.affectedRows;
}
