import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ExecutionRow,
  formatExecutionId,
  type RetryPolicy,
  renderBody,
  type Webhook,
} from "@taskscheduler/domain";
import {
  ExecutionTrigger,
  type RetryPolicy as RetryPolicyMessage,
  type Target,
  WebhookContentMode,
  type Webhook as WebhookMessage,
} from "@taskscheduler/proto";

const DEFAULT_TIMEOUT_MS = 30_000;

export function webhookToProto(webhook: Webhook): WebhookMessage {
  return {
    $typeName: "taskscheduler.v1.Webhook",
    url: webhook.url,
    method: webhook.method,
    headers: { ...webhook.headers },
    body: webhook.body,
    secretName: webhook.secretName,
    contentMode: WebhookContentMode[webhook.contentMode],
  };
}

export function retryPolicyToProto(policy: RetryPolicy): RetryPolicyMessage {
  const { maxAttempts, initialBackoffMs, maxBackoffMs, multiplier, retryStatuses } = policy;
  return {
    $typeName: "taskscheduler.v1.RetryPolicy",
    maxAttempts: maxAttempts ?? 0,
    initialBackoff: optionalDuration(initialBackoffMs),
    maxBackoff: optionalDuration(maxBackoffMs),
    multiplier: multiplier ?? 0,
    retryStatuses: [...retryStatuses],
  };
}

/** What an attempt calls. */
export function targetToProto(webhook: Webhook, timeoutMs: number, row: ExecutionRow): Target {
  const { taskName, trigger } = row;
  const fields = { ...row, executionId: formatExecutionId(row.taskId, row.scheduledTimeMs) };
  return {
    $typeName: "taskscheduler.v1.Target",
    webhook: webhookToProto({ ...webhook, body: renderBody(webhook.body, fields) }),
    timeoutMs: timeoutMs === 0 ? DEFAULT_TIMEOUT_MS : timeoutMs,
    taskName,
    trigger: ExecutionTrigger[trigger],
  };
}

/** There is nothing to call any more: whether there was nobody knows, so that it is no reminder that has run. */
export const DELETED_TARGET: Target = {
  ...{ $typeName: "taskscheduler.v1.Target", timeoutMs: 0, taskName: "", trigger: ExecutionTrigger.UNSPECIFIED },
};

export function optionalDuration(ms: number | null) {
  return ms === null ? undefined : durationFromMs(ms);
}
