import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { type Metadata, status } from "@grpc/grpc-js";
import { ErrorInfoSchema, StatusSchema } from "@taskscheduler/proto";

const detailsKey = "grpc-status-details-bin";
/** gRPC's codes that the scheduler itself gives. */
export const internalCode: number = status.INTERNAL;
export const deadlineExceededCode: number = status.DEADLINE_EXCEEDED;
export const unavailableCode: number = status.UNAVAILABLE;

/** Codes that an API which comes and goes answers with. */
const ordinaryCodes: ReadonlySet<number> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.FAILED_PRECONDITION,
]);

const endedReason = "INCARNATION_ENDED";
const agedReason = "CONNECTION_AGED";
const stoppingReason = "SHUTTING_DOWN";
/** gRPC itself refuses a message that is too large without a reason, in either direction. */
const tooLargeReasons: ReadonlySet<string> = new Set(["", "REQUEST_TOO_LARGE"]);

/** The same call, sent again, would fail again. */
const permanentCodes: ReadonlySet<number> = new Set([status.INVALID_ARGUMENT, status.OUT_OF_RANGE]);

/** Codes of an API that can do its job, and judged the call. */
const judgedCodes: ReadonlySet<number> = new Set([
  ...permanentCodes,
  status.FAILED_PRECONDITION,
  status.RESOURCE_EXHAUSTED,
]);

/** Why the scheduler leaves an API. `unfit`: the API cannot do its job; `stopping`: it shuts down; `aged`: only its connection was old. */
export type LeaveCause = "unfit" | "stopping" | "aged";

/** A call to the API that failed. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** gRPC's code. */
  readonly code: number;
  /** Of `google.rpc.ErrorInfo`; empty: none. */
  readonly reason: string;

  constructor(code: number, message: string, { reason = "", cause }: { reason?: string; cause?: unknown } = {}) {
    super(message, { cause });
    this.code = code;
    this.reason = reason;
  }

  static from(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    if (!(error instanceof Error)) return new ApiError(status.UNKNOWN, String(error));
    const { code, details, metadata } = error as Error & Partial<{ code: number; details: string; metadata: Metadata }>;
    if (typeof code !== "number") return new ApiError(status.UNKNOWN, error.message, { cause: error });
    return new ApiError(code, details || error.message, { reason: reasonOf(metadata), cause: error });
  }

  /** The incarnation that the call named is dead. */
  get isIncarnationEnded(): boolean {
    if (this.code !== status.FAILED_PRECONDITION) return false;
    return this.reason === endedReason || (this.reason === "" && this.message.includes(endedReason));
  }

  /** The call's deadline passed. */
  get isTooLate(): boolean {
    return this.code === status.DEADLINE_EXCEEDED;
  }

  /** The API judged the call's content; all else is worth trying again. */
  get isPermanent(): boolean {
    return permanentCodes.has(this.code);
  }
}

/**
 * How the API judged a call's content. Undefined: the API did not judge it, and the same call may succeed later. A busy
 * API and a database without room give RESOURCE_EXHAUSTED too, whatever the call holds.
 */
export function verdictOn(error: unknown): "PERMANENT" | "TOO_LARGE" | undefined {
  const { isPermanent, code, reason } = ApiError.from(error);
  if (isPermanent) return "PERMANENT";
  return code === status.RESOURCE_EXHAUSTED && tooLargeReasons.has(reason) ? "TOO_LARGE" : undefined;
}

/** Why a failed call is a reason to leave its API. Undefined: it is none. */
export function causeToLeave(error: unknown): LeaveCause | undefined {
  const { code, reason } = ApiError.from(error);
  if (reason === agedReason) return "aged";
  if (reason === stoppingReason) return "stopping";
  return judgedCodes.has(code) ? undefined : "unfit";
}

/**
 * How loudly to log a failure that is tried again. A failure that is not the API's is a defect of ours. The API itself logs
 * why it is busy or has no room.
 */
export function failureLevel(error: unknown): "debug" | "warn" | "error" {
  if (!(error instanceof ApiError)) return "error";
  const isLimit = error.code === status.RESOURCE_EXHAUSTED && !tooLargeReasons.has(error.reason);
  return isLimit || ordinaryCodes.has(error.code) ? "debug" : "warn";
}

function reasonOf(metadata: Metadata | undefined): string {
  const [bytes] = metadata?.get(detailsKey) ?? [];
  if (!(bytes instanceof Uint8Array)) return "";
  try {
    for (const detail of fromBinary(StatusSchema, bytes).details) {
      const info = anyUnpack(detail, ErrorInfoSchema);
      if (info !== undefined) return info.reason;
    }
  } catch {
    // Details that cannot be read leave the code, which says enough.
  }
  return "";
}
