/** The codes of `google.rpc.Code` that the product answers with. */
export type ErrorStatus =
  | "INVALID_ARGUMENT"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "ABORTED"
  | "FAILED_PRECONDITION"
  | "OUT_OF_RANGE"
  | "RESOURCE_EXHAUSTED"
  | "UNAVAILABLE"
  | "UNIMPLEMENTED"
  | "CANCELLED"
  | "DEADLINE_EXCEEDED"
  | "INTERNAL";

/** Every reason that an error of ours can carry, and the code it goes with. `docs/errors.md` explains each. */
export const ERROR_REASONS = {
  INVALID_FIELD: "INVALID_ARGUMENT",
  MALFORMED_REQUEST: "INVALID_ARGUMENT",
  NOT_SUPPORTED_YET: "INVALID_ARGUMENT",
  SCHEDULE_NEVER_FIRES: "INVALID_ARGUMENT",
  INVALID_PAGE_TOKEN: "INVALID_ARGUMENT",
  INVALID_RESUME_TOKEN: "INVALID_ARGUMENT",
  REQUEST_ID_REUSED: "INVALID_ARGUMENT",
  TASK_NOT_FOUND: "NOT_FOUND",
  EXECUTION_NOT_FOUND: "NOT_FOUND",
  TASK_NAME_TAKEN: "ALREADY_EXISTS",
  ETAG_MISMATCH: "ABORTED",
  TASK_COMPLETED: "FAILED_PRECONDITION",
  TASK_DELETED: "FAILED_PRECONDITION",
  EXECUTION_ENDED: "FAILED_PRECONDITION",
  EXECUTION_NOT_FAILED: "FAILED_PRECONDITION",
  INCARNATION_ENDED: "FAILED_PRECONDITION",
  RESUME_TOKEN_EXPIRED: "OUT_OF_RANGE",
  REQUEST_TOO_LARGE: "RESOURCE_EXHAUSTED",
  TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
  QUERY_TOO_SLOW: "RESOURCE_EXHAUSTED",
  DATABASE_FULL: "RESOURCE_EXHAUSTED",
  IDS_EXHAUSTED: "RESOURCE_EXHAUSTED",
  DATABASE_UNAVAILABLE: "UNAVAILABLE",
  DATABASE_MISCONFIGURED: "UNAVAILABLE",
  SHUTTING_DOWN: "UNAVAILABLE",
  CONNECTION_AGED: "UNAVAILABLE",
  NOT_IMPLEMENTED_YET: "UNIMPLEMENTED",
  CANCELLED: "CANCELLED",
  DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
  INTERNAL: "INTERNAL",
} as const satisfies Record<string, ErrorStatus>;

export type ErrorReason = keyof typeof ERROR_REASONS;

/** What is wrong with one field of a request: its path in the proto's names (`task.name`), and what would be right. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** The one error type that calls end with on purpose. Its message is shown to users; its cause only to the log. */
export class ServiceError extends Error {
  readonly reason: ErrorReason;
  readonly violations: readonly FieldViolation[];

  constructor(
    reason: ErrorReason,
    message: string,
    options: { violations?: readonly FieldViolation[]; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ServiceError";
    this.reason = reason;
    this.violations = options.violations ?? [];
  }

  get status(): ErrorStatus {
    return ERROR_REASONS[this.reason];
  }
}

/** INVALID_ARGUMENT that names a field: the message and the violation say the same. */
export function fieldError(field: string, description: string, reason: ErrorReason = "INVALID_FIELD"): ServiceError {
  return new ServiceError(reason, `${field}: ${description}`, { violations: [{ field, description }] });
}

/** INVALID_ARGUMENT for all violations at once; undefined when there is none. */
export function fieldErrors(
  violations: readonly FieldViolation[],
  reason: ErrorReason = "INVALID_FIELD",
): ServiceError | undefined {
  if (violations.length === 0) return undefined;
  const message = violations.map((v) => `${v.field}: ${v.description}`).join("; ");
  return new ServiceError(reason, message, { violations });
}
