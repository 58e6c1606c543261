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
export { LATENCY_BIN_FLOORS_MS, latencyBin, latencyBinRangeMs } from "./latency-bins.js";
export { type Attempt, attemptsOf, NO_ATTEMPTS, runningAttempt, withAttempt } from "./ledger/attempts.js";
export { formatExecutionId, parseExecutionId } from "./ledger/execution-id.js";
export {
  type ExecutionKey,
  type ExecutionRow,
  executionKeyText,
  newExecution,
} from "./ledger/execution-row.js";
export {
  type AttemptFailure,
  type FailedAttempt,
  GONE,
  type RetryPolicy,
  retryDelayMs,
} from "./ledger/retry-policy.js";
export { firstOccurrenceMs, type Settlement, type SettlementInput, settle } from "./ledger/settlement.js";
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
} from "./ledger/states.js";
export { RECURRENCES, type Recurrence } from "./recurrence.js";
export {
  countOccurrences,
  isOccurrence,
  latestOccurrenceMs,
  nextOccurrenceMs,
  type Occurrence,
  occurrences,
  type Schedule,
} from "./schedule.js";
export { describeSchedule } from "./schedule-description.js";
export { assignShards, SHARD_COUNT, shardOf } from "./sharding.js";
export { MAX_TIME_MS, MIN_TIME_MS } from "./time-range.js";
export { parseTimeZone } from "./time-zone.js";
export { WEBHOOK_METHODS, type Webhook, type WebhookContentMode, type WebhookMethod } from "./webhook.js";
