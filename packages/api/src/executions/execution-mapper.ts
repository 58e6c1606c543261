import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type ExecutionState as DomainState, formatExecutionId } from "@taskscheduler/domain";
import {
  type Execution,
  type ExecutionAttempt,
  type ExecutionChange,
  ExecutionState,
  ExecutionTrigger,
} from "@taskscheduler/proto";
import { toOptionalTimestamp, toTimestamp } from "../timestamps.js";
import type { ExecutionRow } from "./execution-row.js";

const ENDED_ATTEMPT: readonly DomainState[] = ["SUCCEEDED", "FAILED"];

/** A literal: `create` takes ten times as long, and whoever leaves out a field is told so by the compiler. */
export function executionToProto(row: ExecutionRow): Execution {
  const state = ExecutionState[row.state];
  return {
    $typeName: "taskscheduler.v1.Execution",
    id: formatExecutionId(row.taskId, row.scheduledTimeMs),
    taskId: row.taskId,
    taskName: row.taskName,
    scheduledTime: toTimestamp(row.scheduledTimeMs),
    trigger: ExecutionTrigger[row.trigger],
    state,
    attempt: row.attempt,
    schedulerId: row.schedulerId,
    claimTime: toOptionalTimestamp(row.claimTimeMs),
    startTime: toOptionalTimestamp(row.startTimeMs),
    endTime: toOptionalTimestamp(row.endTimeMs),
    lateness: row.startTimeMs === null ? undefined : durationFromMs(row.startTimeMs - row.scheduledTimeMs),
    error: row.error,
    httpStatus: row.httpStatus,
    attempts: ENDED_ATTEMPT.includes(row.state) ? [lastAttempt(row, state)] : [],
    missedCount: row.missedCount,
    missedUntil: toOptionalTimestamp(row.missedUntilMs),
  };
}

function lastAttempt(row: ExecutionRow, state: ExecutionState): ExecutionAttempt {
  return {
    $typeName: "taskscheduler.v1.ExecutionAttempt",
    attempt: row.attempt,
    schedulerId: row.schedulerId,
    startTime: toOptionalTimestamp(row.startTimeMs),
    endTime: toOptionalTimestamp(row.endTimeMs),
    state,
    error: row.error,
    httpStatus: row.httpStatus,
  };
}

export function executionChange(row: ExecutionRow): ExecutionChange {
  return {
    $typeName: "taskscheduler.v1.ExecutionChange",
    execution: executionToProto(row),
    fence: row.fence,
    incarnation: row.incarnation ?? 0,
  };
}

export function executionStateName(state: ExecutionState): DomainState {
  const name = ExecutionState[state];
  if (name === undefined || name === "UNSPECIFIED") throw new Error("an execution state that has no name");
  return name as DomainState;
}
