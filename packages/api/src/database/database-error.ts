import { type ErrorReason, ServiceError } from "@taskscheduler/domain";
import { ERROR_CODES, type ErrorClass, SILENCE_ERRNO } from "./error-codes.js";

const CLASSES: ReadonlyMap<number, ErrorClass> = new Map(ERROR_CODES.map(([errno, , kind]) => [errno, kind]));
/** Errors of the pool, which carry no number. */
const UNAVAILABLE_NAMES = /^Sequelize(Connection|HostNot|InvalidConnection)|^TimeoutError$/;
const UNAVAILABLE_CODES =
  /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_|EHOST|ENET|EADDRNOTAVAIL|EMFILE|ENFILE|ER_(GET_CONNECTION|CLOSING|POOL))/;
/** Node.js refuses the server's certificate. */
const CERTIFICATE_CODES = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/** The error that callers are told, by class. A class that is missing here is the caller's own affair, or a defect. */
const TOLD: Partial<Record<ErrorClass, readonly [reason: ErrorReason, message: string]>> = {
  TRANSIENT: ["DATABASE_UNAVAILABLE", "the database is not available; try again"],
  UNAVAILABLE: ["DATABASE_UNAVAILABLE", "the database is not available; try again"],
  GONE: ["DATABASE_UNAVAILABLE", "the database is not available; try again"],
  TIMEOUT: ["DATABASE_UNAVAILABLE", "the database is not available; try again"],
  MISCONFIGURED: ["DATABASE_MISCONFIGURED", "the database refuses what it is asked; an operator must look at it"],
  FULL: ["DATABASE_FULL", "the database has no room left; nothing was written"],
  EXHAUSTED: ["IDS_EXHAUSTED", "the database has no id left to give out; nothing was written"],
  TOO_LARGE: ["REQUEST_TOO_LARGE", "the database takes no statement as large; send less at once"],
};

function property(error: unknown, name: string): unknown {
  return typeof error === "object" && error !== null ? Reflect.get(error, name) : undefined;
}

/** Sequelize wraps the driver's error as `parent` or `original`. */
function driverErrorOf(error: unknown): unknown {
  return property(error, "parent") ?? property(error, "original") ?? error;
}

/** 0: the error carries none of the database's numbers. Those of the operating system are negative. */
function errnoOf(error: unknown): number {
  const errno = property(driverErrorOf(error), "errno");
  return typeof errno === "number" && errno > 0 ? errno : 0;
}

/** Undefined: a defect, or no error of the database. An error that was made for a caller has the class of its cause. */
export function errorClassOf(error: unknown): ErrorClass | undefined {
  if (error instanceof ServiceError) return error.cause === undefined ? undefined : errorClassOf(error.cause);
  const known = CLASSES.get(errnoOf(error));
  if (known !== undefined) return known;
  const driverError = driverErrorOf(error);
  const code = String(property(driverError, "code"));
  if (CERTIFICATE_CODES.test(code)) return "MISCONFIGURED";
  // The driver says so of what ends its connection.
  if (property(driverError, "fatal") === true || UNAVAILABLE_CODES.test(code)) return "UNAVAILABLE";
  return UNAVAILABLE_NAMES.test(String(property(error, "name"))) ? "UNAVAILABLE" : undefined;
}

/** The transaction may simply run again. */
export function isTransient(error: unknown): boolean {
  return errorClassOf(error) === "TRANSIENT";
}

export function isDuplicateKey(error: unknown): boolean {
  return errorClassOf(error) === "DUPLICATE_KEY";
}

/** The server ended a statement that took too long. */
export function isStatementTimeout(error: unknown): boolean {
  return errorClassOf(error) === "TIMEOUT";
}

/** A sort ended early, as the statement may not look at more rows. */
export function isSortAborted(error: unknown): boolean {
  return errorClassOf(error) === "SORT_ABORTED";
}

/** The database or a table of ours is not there. */
export function isGone(error: unknown): boolean {
  return errorClassOf(error) === "GONE";
}

/** The server did not do in time what it was asked: whoever asks next would wait as long. */
export function isStuck(error: unknown): boolean {
  return isStatementTimeout(error) || errnoOf(error) === SILENCE_ERRNO;
}

/** The database is away, or goes: nothing is wrong with the request. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof ServiceError) return error.reason === "DATABASE_UNAVAILABLE";
  const kind = errorClassOf(error);
  return kind === "UNAVAILABLE" || kind === "TIMEOUT";
}

/** Other work would meet the same error, whatever it writes. */
export function isOfAllWork(error: unknown): boolean {
  return error instanceof ServiceError || isTransient(error) || isUnavailable(error) || isGone(error);
}

/** The error that a caller is told. A defect stays what it is, for the policies to log and to hide. */
export function toCallError(error: unknown): unknown {
  if (error instanceof ServiceError) return error;
  const kind = errorClassOf(error);
  const told = kind === undefined ? undefined : TOLD[kind];
  return told === undefined ? error : new ServiceError(...told, { cause: error });
}

export function databaseUnavailable(cause?: unknown): ServiceError {
  return new ServiceError("DATABASE_UNAVAILABLE", "the database is not available; try again", { cause });
}
