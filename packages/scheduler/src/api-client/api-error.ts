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
const busyReason = "TOO_MANY_REQUESTS";
const agedReason = "CONNECTION_AGED";
const stoppingReason = "SHUTTING_DOWN";

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

  /** The API judged the call's content; all else is worth trying again. */
  get isPermanent(): boolean {
    return permanentCodes.has(this.code);
  }
}

/** How a call's content was judged; undefined: it was not. */
export function verdictOn(error: unknown): "PERMANENT" | "TOO_LARGE" | undefined {
  const { isPermanent, code, reason } = ApiError.from(error);
  if (isPermanent) return "PERMANENT";
  // gRPC itself says so of a message, in either direction, without a reason.
  return code === status.RESOURCE_EXHAUSTED && reason !== busyReason ? "TOO_LARGE" : undefined;
}

/** Why a failed call is a reason to leave its API. Undefined: it is none. */
export function causeToLeave(error: unknown): LeaveCause | undefined {
  const { code, reason } = ApiError.from(error);
  if (reason === agedReason) return "aged";
  if (reason === stoppingReason) return "stopping";
  return judgedCodes.has(code) ? undefined : "unfit";
}

/** How loudly to log a failure that is tried again: one that is not the API's is a defect of ours. */
export function failureLevel(error: unknown): "debug" | "warn" | "error" {
  if (!(error instanceof ApiError)) return "error";
  return ordinaryCodes.has(error.code) ? "debug" : "warn";
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
