export {
  holdsPlaceholder,
  PLACEHOLDER_NAMES,
  parseBody,
  placeholdersOf,
  renderBody,
  type TemplateFields,
} from "./body-template.js";
export {
  ERROR_REASONS,
  type ErrorReason,
  type ErrorStatus,
  type FieldViolation,
  fieldError,
  fieldErrors,
  ServiceError,
} from "./errors.js";
export { LATENCY_BIN_FLOORS_MS, latencyBin, latencyBinRangeMs } from "./latency-bins.js";
export { type Attempt, attemptsOf } from "./ledger/attempts.js";
export { END_REASONS, type WithdrawalReason } from "./ledger/end-reason.js";
export type { ClaimEvent, ReportEvent } from "./ledger/events.js";
export { formatExecutionId, parseExecutionId } from "./ledger/execution-id.js";
export {
  type ExecutionKey,
  type ExecutionRow,
  executionKeyText,
  newExecution,
  STATE_INSTEAD,
} from "./ledger/execution-row.js";
export { claimFence } from "./ledger/fence.js";
export { phaseOf } from "./ledger/phase.js";
export { judgeRecorded } from "./ledger/recorded.js";
export {
  type AttemptFailure,
  type FailedAttempt,
  GONE,
  type RetryPolicy,
  retryDelayMs,
} from "./ledger/retry-policy.js";
export { MISSED_COUNT_CAP, type Settlement, type SettlementInput, settle } from "./ledger/settlement.js";
export {
  EXECUTION_STATES,
  EXECUTION_TRIGGERS,
  type ExecutionState,
  type ExecutionTrigger,
  HELD_STATES,
  hasEndedWithoutRun,
  isHeld,
  isUnfinished,
  TASK_STATES,
  type TaskState,
  UNFINISHED_STATES,
  WAITING_STATES,
} from "./ledger/states.js";
export { applyEffects, passOccurrences, type TaskEffects } from "./ledger/task-effects.js";
export { openOccurrence, type Transition, transition } from "./ledger/transition.js";
export { TRANSITIONS } from "./ledger/transitions.js";
export { isClaimedAhead, isWithdrawnByDeletion } from "./ledger/withdrawal.js";
export { compileSchedule } from "./schedule/compile-schedule.js";
export { compileReadableSchedule, type ReadRow } from "./schedule/readable-schedule.js";
export { RECURRENCES, type Recurrence } from "./schedule/recurrence.js";
export {
  isOccurrence,
  listOccurrences,
  type Occurrence,
  type OccurrenceCount,
  type Schedule,
} from "./schedule/schedule.js";
export { ScheduleFault, type ScheduleField } from "./schedule/schedule-fault.js";
export { isSameSchedule, type ScheduleFields } from "./schedule/schedule-fields.js";
export { assignShards, SHARD_COUNT, shardOf } from "./sharding.js";
export { formatLocalTime } from "./time/local-time.js";
export { MAX_TIME_MS, MIN_TIME_MS } from "./time/time-range.js";
export { parseTimeZone } from "./time/time-zone-name.js";
export { WEBHOOK_METHODS, type Webhook, type WebhookContentMode, type WebhookMethod } from "./webhook.js";
