import { create } from "@bufbuild/protobuf";
import { durationFromMs, type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type ExecutionState as DomainState, formatExecutionId } from "@taskscheduler/domain";
import {
  type Execution,
  ExecutionAttemptSchema,
  type ExecutionChange,
  ExecutionChangeSchema,
  ExecutionSchema,
  ExecutionState,
  ExecutionTrigger,
} from "@taskscheduler/proto";
import type { ExecutionRow } from "./execution-row.js";

const ENDED_ATTEMPT: readonly DomainState[] = ["SUCCEEDED", "FAILED"];

export function executionToProto(row: ExecutionRow): Execution {
  const execution = create(ExecutionSchema, {
    id: formatExecutionId(row.taskId, row.scheduledTimeMs),
    taskId: row.taskId,
    taskName: row.taskName,
    scheduledTime: timestampFromMs(row.scheduledTimeMs),
    trigger: ExecutionTrigger[row.trigger],
    state: ExecutionState[row.state],
    attempt: row.attempt,
    schedulerId: row.schedulerId,
    error: row.error,
    httpStatus: row.httpStatus,
    missedCount: row.missedCount,
    ...timestampField("claimTime", row.claimTimeMs),
    ...timestampField("startTime", row.startTimeMs),
    ...timestampField("endTime", row.endTimeMs),
    ...timestampField("missedUntil", row.missedUntilMs),
  });
  if (row.startTimeMs !== null) execution.lateness = durationFromMs(row.startTimeMs - row.scheduledTimeMs);
  if (ENDED_ATTEMPT.includes(row.state)) {
    execution.attempts.push(
      create(ExecutionAttemptSchema, {
        attempt: row.attempt,
        schedulerId: row.schedulerId,
        state: execution.state,
        error: row.error,
        httpStatus: row.httpStatus,
        ...timestampField("startTime", row.startTimeMs),
        ...timestampField("endTime", row.endTimeMs),
      }),
    );
  }
  return execution;
}

export function executionChange(row: ExecutionRow): ExecutionChange {
  return create(ExecutionChangeSchema, {
    execution: executionToProto(row),
    fence: row.fence,
    incarnation: row.incarnation ?? 0,
  });
}

export function executionStateName(state: ExecutionState): DomainState {
  const name = ExecutionState[state];
  if (name === undefined || name === "UNSPECIFIED") throw new Error("an execution state that has no name");
  return name as DomainState;
}

/** A message's optional instant: left out where there is none. */
export function timestampField<K extends string>(key: K, timeMs: number | null): { [P in K]?: Timestamp } {
  return (timeMs === null ? {} : { [key]: timestampFromMs(timeMs) }) as { [P in K]?: Timestamp };
}
