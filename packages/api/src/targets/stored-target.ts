import type { RetryPolicy, Webhook } from "@taskscheduler/domain";

/** The columns of a task that say what it calls. */
export interface StoredTarget {
  readonly webhook: string;
  readonly retryPolicy: string;
}

/**
 * What somebody wrote past us, and is no webhook: the task fails, and says why, instead of passing for a reminder that
 * has run.
 */
export const DAMAGED_WEBHOOK: Webhook = Object.freeze({
  url: "",
  method: "POST",
  headers: {},
  body: "",
  secretName: "",
  contentMode: "BINARY",
});

export function formatTarget(target: {
  readonly webhook: Webhook | null;
  readonly retryPolicy: RetryPolicy | null;
}): StoredTarget {
  return { webhook: formatPart(target.webhook), retryPolicy: formatPart(target.retryPolicy) };
}

function formatPart(part: unknown): string {
  return part === null ? "" : JSON.stringify(part);
}

export function parseWebhook(text: string): Webhook | null {
  if (text === "") return null;
  const parsed = parseObject(text);
  return parsed === undefined || typeof parsed["url"] !== "string"
    ? DAMAGED_WEBHOOK
    : { ...DAMAGED_WEBHOOK, ...parsed };
}

export function parseRetryPolicy(text: string): RetryPolicy | null {
  if (text === "") return null;
  const parsed = parseObject(text);
  return parsed === undefined || !Array.isArray(parsed["retryStatuses"]) ? null : (parsed as unknown as RetryPolicy);
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
