import { randomUUID } from "node:crypto";
import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import { ServiceError } from "@taskscheduler/domain";
import type { Logger } from "@taskscheduler/runtime";
import { abortErrorOf, connectErrorOf, hasReason, serviceErrorOf } from "./service-errors.js";

/** What is known of a call that failed. */
export type FailedCall = Pick<HandlerContext, "signal" | "requestHeader">;

/**
 * The error that a caller sees for whatever a method threw: an error of ours with its reason, the end of a call that was
 * cut, or else INTERNAL without any detail. What INTERNAL stands for is logged under the id that the caller is given.
 */
export function callErrorOf(error: unknown, call: FailedCall, logger: Logger): ConnectError {
  if (error instanceof ServiceError) return connectErrorOf(error);
  if (error instanceof ConnectError && hasReason(error)) return error;
  if (call.signal.aborted) return connectErrorOf(abortErrorOf(call.signal.reason));
  const known = error instanceof ConnectError ? serviceErrorOf(error) : undefined;
  return known === undefined ? internalErrorOf(error, requestIdOf(call.requestHeader), logger) : connectErrorOf(known);
}

/** For what fails outside of a method too, such as putting an answer into bytes. */
export function internalErrorOf(error: unknown, correlationId: string, logger: Logger): ConnectError {
  logger.error({ err: error, correlationId }, "internal error");
  const shown = new ServiceError("INTERNAL", `internal error (${correlationId})`, { cause: error });
  return connectErrorOf(shown, { correlation_id: correlationId });
}

/** The caller's `x-request-id`, or a new one. */
export function requestIdOf(requestHeader: Headers): string {
  const given = requestHeader.get("x-request-id");
  return given !== null && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
}
