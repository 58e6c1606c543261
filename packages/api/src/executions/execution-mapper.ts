import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Attempt,
  attemptsOf,
  type ExecutionState as DomainState,
  type ExecutionRow,
  formatExecutionId,
  hasEndedWithoutRun,
  STATE_INSTEAD,
} from "@taskscheduler/domain";
import {
  type Execution,
  type ExecutionAttempt,
  type ExecutionChange,
  ExecutionEndReason,
  ExecutionState,
  ExecutionTrigger,
} from "@taskscheduler/proto";
import { toOptionalTimestamp, toTimestamp } from "../timestamps.js";

/** A literal: `create` takes ten times as long, and whoever leaves out a field is told so by the compiler. */
export function executionToProto(row: ExecutionRow): Execution {
  const execution = wholeExecutionToProto(row);
  // A row that has got another state since it was read is written whole.
  if (isDamaged(row, "state") && row.state === STATE_INSTEAD) execution.state = ExecutionState.UNSPECIFIED;
  if (isDamaged(row, "trigger")) execution.trigger = ExecutionTrigger.UNSPECIFIED;
  return execution;
}

function isDamaged({ damaged }: ExecutionRow, attribute: keyof ExecutionRow): boolean {
  return damaged?.includes(attribute) ?? false;
}

function wholeExecutionToProto(row: ExecutionRow): Execution {
  return {
    $typeName: "taskscheduler.v1.Execution",
    id: formatExecutionId(row.taskId, row.scheduledTimeMs),
    taskId: row.taskId,
    taskName: row.taskName,
    scheduledTime: toTimestamp(row.scheduledTimeMs),
    trigger: ExecutionTrigger[row.trigger],
    state: ExecutionState[row.state],
    attempt: row.attempt,
    schedulerId: row.schedulerId,
    claimTime: toOptionalTimestamp(row.claimTimeMs),
    startTime: toOptionalTimestamp(row.startTimeMs),
    endTime: toOptionalTimestamp(row.endTimeMs),
    lateness: row.startTimeMs === null ? undefined : durationFromMs(row.startTimeMs - row.scheduledTimeMs),
    error: row.error,
    httpStatus: row.httpStatus,
    attempts: attemptsOf(row).map(attemptToProto),
    missedCount: row.missedCount,
    missedUntil: toOptionalTimestamp(row.missedUntilMs),
    retryTime: toOptionalTimestamp(row.retryTimeMs),
    endReason: toEndReason(row),
  };
}

/** A row that ran after its claim was taken back keeps the reason for the ledger. Users see that it ran. */
function toEndReason({ state, endReason }: ExecutionRow): ExecutionEndReason {
  if (endReason === null || !hasEndedWithoutRun(state)) return ExecutionEndReason.UNSPECIFIED;
  return ExecutionEndReason[endReason];
}

function attemptToProto({ attempt, schedulerId, startTimeMs, endTimeMs, state, error, httpStatus }: Attempt) {
  return {
    $typeName: "taskscheduler.v1.ExecutionAttempt",
    ...{ attempt, schedulerId, error, httpStatus },
    startTime: toOptionalTimestamp(startTimeMs),
    endTime: toOptionalTimestamp(endTimeMs),
    state: ExecutionState[state],
    duration: startTimeMs === null || endTimeMs === null ? undefined : durationFromMs(endTimeMs - startTimeMs),
  } satisfies ExecutionAttempt;
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
