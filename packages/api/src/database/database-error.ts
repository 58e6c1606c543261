import { ServiceError } from "@taskscheduler/domain";

/** A transaction that met one of these may simply run again: record changed, lock wait timeout, deadlock. */
const TRANSIENT_ERRNOS = new Set([1020, 1205, 1213]);
const DUPLICATE_KEY_ERRNO = 1062;
/** Read-only, shutting down, too many connections, killed, unknown command of a node that is not ready. */
const UNAVAILABLE_ERRNOS = new Set([
  1040, 1041, 1047, 1053, 1077, 1129, 1152, 1158, 1159, 1160, 1161, 1203, 1290, 1317, 1792, 1927,
]);
/** It took longer than `max_statement_time`. */
const STATEMENT_TIMEOUT_ERRNOS = new Set([1969, 3024]);
/** Where a statement may look at so many rows only, and a sort would have needed more. */
const SORT_ABORTED_ERRNO = 1028;
/** Said by the server, before it closes the connection, and by the driver, before it sends. */
const TOO_LARGE_ERRNOS = new Set([1153, 45_046]);
const UNAVAILABLE_NAMES = /^SequelizeConnection|^SequelizeHostNot|^TimeoutError$/;
const CONNECTION_CODES =
  /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ER_(CONNECTION|SOCKET|CMD_CONNECTION|CMD_NOT_EXECUTED|CLOSING|GET_CONNECTION|UNEXPECTED_PACKET|POOL))/;

function property(error: unknown, name: string): unknown {
  return typeof error === "object" && error !== null ? Reflect.get(error, name) : undefined;
}

/** Sequelize wraps the driver's error as `parent` or `original`. */
function driverErrorOf(error: unknown): unknown {
  return property(error, "parent") ?? property(error, "original") ?? error;
}

function errnoOf(error: unknown): number {
  const errno = property(driverErrorOf(error), "errno");
  return typeof errno === "number" ? Math.abs(errno) : 0;
}

export function isTransient(error: unknown): boolean {
  return TRANSIENT_ERRNOS.has(errnoOf(error));
}

export function isDuplicateKey(error: unknown): boolean {
  return errnoOf(error) === DUPLICATE_KEY_ERRNO;
}

/** The server ended a statement that took too long. */
export function isStatementTimeout(error: unknown): boolean {
  return STATEMENT_TIMEOUT_ERRNOS.has(errnoOf(error));
}

/** A sort ended early, as the statement may not look at more rows. */
export function isSortAborted(error: unknown): boolean {
  return errnoOf(error) === SORT_ABORTED_ERRNO;
}

/** A statement is larger than the server's `max_allowed_packet`. */
export function isTooLarge(error: unknown): boolean {
  return TOO_LARGE_ERRNOS.has(errnoOf(error));
}

/** The database is away, or goes: nothing is wrong with the request. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof ServiceError) return error.reason === "DATABASE_UNAVAILABLE";
  if (isTooLarge(error)) return false;
  const driverError = driverErrorOf(error);
  if (UNAVAILABLE_ERRNOS.has(errnoOf(error))) return true;
  if (UNAVAILABLE_NAMES.test(String(property(error, "name")))) return true;
  return property(driverError, "fatal") === true || CONNECTION_CODES.test(String(property(driverError, "code")));
}

/**
 * What a caller is told of an error of the database: that it is away, and to try again; or that too much was asked of it.
 * Any other error is as it was: a defect, for the policies to log and to hide.
 */
export function toCallError(error: unknown): unknown {
  if (error instanceof ServiceError) return error;
  if (isTooLarge(error)) {
    return new ServiceError("REQUEST_TOO_LARGE", "the database takes no statement as large; send less at once", {
      cause: error,
    });
  }
  return isUnavailable(error) || isTransient(error) || isStatementTimeout(error) ? databaseUnavailable(error) : error;
}

export function databaseUnavailable(cause?: unknown): ServiceError {
  return new ServiceError("DATABASE_UNAVAILABLE", "the database is not available; try again", { cause });
}
