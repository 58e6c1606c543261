import { Code, ConnectError } from "@connectrpc/connect";
import {
  ERROR_REASONS,
  type ErrorReason,
  type ErrorStatus,
  type FieldViolation,
  ServiceError,
} from "@taskscheduler/domain";
import { BadRequestSchema, ErrorInfoSchema } from "@taskscheduler/proto";

const errorDomain = "taskscheduler";

const codes: Readonly<Record<ErrorStatus, Code>> = {
  INVALID_ARGUMENT: Code.InvalidArgument,
  NOT_FOUND: Code.NotFound,
  ALREADY_EXISTS: Code.AlreadyExists,
  ABORTED: Code.Aborted,
  FAILED_PRECONDITION: Code.FailedPrecondition,
  OUT_OF_RANGE: Code.OutOfRange,
  RESOURCE_EXHAUSTED: Code.ResourceExhausted,
  UNAVAILABLE: Code.Unavailable,
  UNIMPLEMENTED: Code.Unimplemented,
  CANCELLED: Code.Canceled,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
  INTERNAL: Code.Internal,
};

/** What an error that a library raised without a reason of ours stands for. */
const reasonsOfCodes: ReadonlyMap<Code, ErrorReason> = new Map([
  [Code.InvalidArgument, "MALFORMED_REQUEST"],
  [Code.ResourceExhausted, "REQUEST_TOO_LARGE"],
  [Code.Unimplemented, "NOT_IMPLEMENTED_YET"],
  [Code.Canceled, "CANCELLED"],
  [Code.DeadlineExceeded, "DEADLINE_EXCEEDED"],
]);

/** gRPC carries errors in headers, which clients refuse when they grow beyond some 8 KiB. */
const maxMessageLength = 1_000;
const maxViolations = 20;
const maxFieldLength = 100;
/** The names of an enum are as long. */
const maxDescriptionLength = 300;
/** Of all violations together, in UTF-8; base64 and the message come on top. */
const maxViolationBytes = 3_000;

/** The error as it goes over the wire, with its `google.rpc` details. Its cause stays here, for the log. */
export function connectErrorOf(error: ServiceError, metadata: Readonly<Record<string, string>> = {}): ConnectError {
  const details = [
    { desc: ErrorInfoSchema, value: { domain: errorDomain, reason: error.reason, metadata: { ...metadata } } },
  ];
  const message = shorten(error.message, maxMessageLength);
  const connectError = new ConnectError(message, codes[error.status], undefined, details, error);
  if (error.violations.length > 0) {
    connectError.details.push({ desc: BadRequestSchema, value: { fieldViolations: bound(error.violations) } });
  }
  return connectError;
}

/** An error of Connect's own; undefined when it is none that a caller is to blame for or can make sense of. */
export function serviceErrorOf(error: ConnectError): ServiceError | undefined {
  const reason = reasonsOfCodes.get(error.code);
  return reason === undefined ? undefined : new ServiceError(reason, error.rawMessage, { cause: error });
}

/** What ended a call whose signal is aborted. */
export function abortErrorOf(reason: unknown): ServiceError {
  if (reason instanceof ServiceError) return reason;
  const isDeadline = reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
  return isDeadline
    ? new ServiceError("DEADLINE_EXCEEDED", "the deadline has passed", { cause: reason })
    : new ServiceError("CANCELLED", "the call was cancelled", { cause: reason });
}

/** Whether the error carries its reason already. */
export function hasReason(error: ConnectError): boolean {
  return error.findDetails(ErrorInfoSchema).some((info) => info.reason in ERROR_REASONS);
}

function bound(violations: readonly FieldViolation[]): FieldViolation[] {
  const bounded: FieldViolation[] = [];
  let bytes = 0;
  for (const violation of violations.slice(0, maxViolations)) {
    const field = shorten(violation.field, maxFieldLength);
    const description = shorten(violation.description, maxDescriptionLength);
    bytes += Buffer.byteLength(field) + Buffer.byteLength(description);
    if (bytes > maxViolationBytes && bounded.length > 0) break;
    bounded.push({ field, description });
  }
  return bounded;
}

/** Also makes the text well-formed: half a surrogate pair cannot be sent. */
function shorten(text: string, maxLength: number): string {
  const short = text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;
  return Buffer.from(short).toString();
}
