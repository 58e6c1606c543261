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
export { formatExecutionId, parseExecutionId } from "./execution-id.js";
export { LATENCY_BIN_FLOORS_MS, latencyBin, latencyBinRangeMs } from "./latency-bins.js";
export { type AttemptFailure, type FailedAttempt, GONE, type RetryPolicy, retryDelayMs } from "./retry-policy.js";
export { compileSchedule } from "./schedule/compile-schedule.js";
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
export { firstCursorMs, MISSED_COUNT_CAP, type Settlement, type SettlementInput, settle } from "./settlement.js";
export { assignShards, SHARD_COUNT, shardOf } from "./sharding.js";
export {
  EXECUTION_STATES,
  EXECUTION_TRIGGERS,
  type ExecutionState,
  type ExecutionTrigger,
  HELD_STATES,
  isHeld,
  isUnfinished,
  TASK_STATES,
  type TaskState,
  UNFINISHED_STATES,
  WAITING_STATES,
} from "./states.js";
export { formatLocalTime } from "./time/local-time.js";
export { MAX_TIME_MS, MIN_TIME_MS } from "./time/time-range.js";
export { parseTimeZone } from "./time/time-zone-name.js";
export { WEBHOOK_METHODS, type Webhook, type WebhookContentMode, type WebhookMethod } from "./webhook.js";
