export { PLACEHOLDER_NAMES, placeholdersOf, renderBody, type TemplateFields } from "./body-template.js";
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
export { RECURRENCES, type Recurrence } from "./schedule/recurrence.js";
export {
  countOccurrences,
  isOccurrence,
  latestOccurrenceMs,
  nextOccurrenceMs,
  type Occurrence,
  occurrences,
  type Schedule,
} from "./schedule/schedule.js";
export { describeSchedule } from "./schedule/schedule-description.js";
export { firstCursorMs, type Settlement, type SettlementInput, settle } from "./settlement.js";
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
export { MAX_TIME_MS, MIN_TIME_MS } from "./time/time-range.js";
export { parseTimeZone } from "./time/time-zone.js";
export { WEBHOOK_METHODS, type Webhook, type WebhookContentMode, type WebhookMethod } from "./webhook.js";
