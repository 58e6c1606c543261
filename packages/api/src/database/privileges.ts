import { randomBytes } from "node:crypto";
import type { SqlConnection } from "./database.js";
import { DatabaseRefusal } from "./database-refusal.js";
import { TABLES } from "./tables.js";

/** The server denies a privilege on a table, or on a column. */
const DENIED_ERRNOS: readonly unknown[] = [1142, 1143];

/** No such table or view: what a trial on no table comes to. */
const NOT_THERE_ERRNOS: readonly unknown[] = [undefined, 1146, 1051, 4092];

interface Trial {
  readonly privilege: string;
  /** Changes nothing. */
  readonly sql: string;
}

/**
 * Whether the account may read and write every table of ours. It is tried out, as grants come by account, role, pattern and
 * table; the statements find no row.
 *
 * @throws DatabaseRefusal that names the privileges; else the server's error, such as that it takes no writes
 */
export async function requireRowPrivileges(connection: SqlConnection): Promise<void> {
  const trials = Object.entries(TABLES).flatMap(([table, column]): Trial[] => [
    { privilege: `SELECT on ${table}`, sql: `SELECT 1 FROM ${table} LIMIT 0` },
    { privilege: `INSERT on ${table}`, sql: `INSERT INTO ${table} SELECT * FROM ${table} WHERE FALSE` },
    { privilege: `UPDATE on ${table}`, sql: `UPDATE ${table} SET ${column} = ${column} WHERE FALSE` },
    { privilege: `DELETE on ${table}`, sql: `DELETE FROM ${table} WHERE FALSE` },
  ]);
  const errors = await tryAll(connection, trials);
  const failed = errors.find((error) => error !== undefined);
  if (failed !== undefined) throw failed;
}

/**
 * Whether the account may change the schema. The server judges that before it looks for the table, and there is none of
 * this name.
 *
 * @throws DatabaseRefusal that names the privileges; else the server's error, such as that it takes no writes
 */
export async function requireSchemaPrivileges(connection: SqlConnection): Promise<void> {
  const nothing = `taskscheduler_${randomBytes(12).toString("hex")}`;
  const errors = await tryAll(connection, [
    { privilege: "CREATE", sql: `CREATE TABLE ${nothing} LIKE ${nothing}_too` },
    { privilege: "ALTER", sql: `ALTER TABLE ${nothing} COMMENT ''` },
    { privilege: "DROP", sql: `DROP VIEW ${nothing}` },
    { privilege: "INDEX", sql: `DROP INDEX ${nothing} ON ${nothing}` },
  ]);
  const failed = errors.find((error) => !NOT_THERE_ERRNOS.includes(errnoOf(error)));
  if (failed !== undefined) throw failed;
}

/** @returns the error of each trial that failed for another reason than a missing privilege */
async function tryAll(connection: SqlConnection, trials: readonly Trial[]): Promise<unknown[]> {
  const outcomes = await Promise.allSettled(trials.map(({ sql }) => connection.query(sql)));
  const errors = outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason : undefined));
  const lacking = trials.filter((_, index) => DENIED_ERRNOS.includes(errnoOf(errors[index])));
  if (lacking.length === 0) return errors;
  const names = lacking.map(({ privilege }) => privilege).join(", ");
  throw new DatabaseRefusal(`the account in DATABASE_URL lacks ${names}: grant what is lacking`);
}

function errnoOf(error: unknown): unknown {
  return typeof error === "object" && error !== null ? Reflect.get(error, "errno") : undefined;
}
