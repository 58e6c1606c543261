import { createHash } from "node:crypto";
import { EXECUTION_STATES, type ExecutionState, type FieldViolation, fieldErrors } from "@taskscheduler/domain";
import type { ListExecutionsRequest } from "@taskscheduler/proto";
import { readBound } from "../timestamps.js";
import { executionStateName } from "./execution-mapper.js";

/** Which executions a list is of; all must hold. */
export interface ExecutionFilter {
  /** Undefined: of any. */
  readonly taskId: number | undefined;
  /** In any of these. */
  readonly states: readonly ExecutionState[];
  readonly afterMs: number | undefined;
  readonly beforeMs: number | undefined;
}

/** Throws INVALID_FIELD; `path` is what the fields' names begin with. */
export function readTimes(
  request: Pick<ListExecutionsRequest, "scheduledAfter" | "scheduledBefore">,
  path = "",
): Pick<ExecutionFilter, "afterMs" | "beforeMs"> {
  const violations: FieldViolation[] = [];
  const { scheduledAfter: after, scheduledBefore: before } = request;
  const afterMs = after && readBound(after, `${path}scheduled_after`, violations);
  const beforeMs = before && readBound(before, `${path}scheduled_before`, violations, "earlier");
  const error = fieldErrors(violations);
  if (error !== undefined) throw error;
  return { afterMs, beforeMs };
}

export function readExecutionFilter(request: ListExecutionsRequest): ExecutionFilter {
  const times = readTimes(request);
  const wanted = request.states.map(executionStateName);
  const states = EXECUTION_STATES.filter((state) => wanted.length === 0 || wanted.includes(state));
  return { taskId: request.taskId === 0 ? undefined : request.taskId, states, ...times };
}

/** Names the query whose pages a token is of. */
export function executionQueryFingerprint(request: ListExecutionsRequest): string {
  const { taskId, states, scheduledAfter, scheduledBefore, orderBy } = request;
  const instants = [scheduledAfter, scheduledBefore].map((time) => time && [String(time.seconds), time.nanos]);
  return createHash("sha256")
    .update(JSON.stringify([taskId, states, instants, orderBy]))
    .digest("base64url");
}
