import { type RetryPolicy, WEBHOOK_METHODS, type Webhook } from "@taskscheduler/domain";

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

/** Null: a reminder. Undefined: the text is no webhook. */
export function parseWebhook(text: string): Webhook | null | undefined {
  if (text === "") return null;
  const parsed = parseObject(text);
  const webhook = parsed === undefined ? undefined : { ...DAMAGED_WEBHOOK, ...parsed };
  return isWebhook(webhook) ? webhook : undefined;
}

function isWebhook(value: Record<keyof Webhook, unknown> | undefined): value is Webhook {
  if (value === undefined) return false;
  const { url, method, headers, body, secretName, contentMode } = value;
  const areTexts = [url, body, secretName, ...Object.values(headers ?? [0])].every((text) => typeof text === "string");
  const isKnown =
    WEBHOOK_METHODS.some((known) => known === method) && /^(BINARY|STRUCTURED)$/.test(String(contentMode));
  return areTexts && url !== "" && isKnown && typeof headers === "object" && !Array.isArray(headers);
}

const MAX_ATTEMPTS = 100;
const MAX_BACKOFF_MS = 24 * 60 * 60_000;
const MAX_MULTIPLIER = 10;
const MAX_STATUS = 999;

/** Null: the default. Undefined: the text is no policy. */
export function parseRetryPolicy(text: string): RetryPolicy | null | undefined {
  if (text === "") return null;
  const { maxAttempts, initialBackoffMs, maxBackoffMs, multiplier, retryStatuses } = parseObject(text) ?? {};
  const isWhole =
    isWithin(maxAttempts, 1, MAX_ATTEMPTS) &&
    isWithin(initialBackoffMs, 0, MAX_BACKOFF_MS) &&
    isWithin(maxBackoffMs, 0, MAX_BACKOFF_MS) &&
    isWithin(multiplier, 1, MAX_MULTIPLIER);
  if (!isWhole || !Array.isArray(retryStatuses)) return undefined;
  if (!retryStatuses.every((status) => Number.isInteger(status) && isWithin(status, 0, MAX_STATUS))) return undefined;
  return { maxAttempts, initialBackoffMs, maxBackoffMs, multiplier, retryStatuses };
}

function isWithin(value: unknown, from: number, to: number): value is number | null {
  return value === null || (typeof value === "number" && value >= from && value <= to);
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
