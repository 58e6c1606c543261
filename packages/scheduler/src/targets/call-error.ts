import { CallEnded } from "./call-time.js";
import { Refusal } from "./refusal.js";
import { failedBy, type WebhookOutcome } from "./webhook-outcome.js";

const connectTimeoutCode = "UND_ERR_CONNECT_TIMEOUT";

/**
 * What a call that has no whole response failed by. Texts of Node and undici name hosts, addresses and header names, never
 * the value of one.
 *
 * @param httpStatus of the response that broke off; 0: none had begun
 */
export function failureOf(error: unknown, httpStatus: number): WebhookOutcome {
  const where = httpStatus === 0 ? "" : `, in the response with HTTP ${httpStatus}`;
  if (error instanceof Refusal) return failedBy(error.failure, error.message);
  if (error instanceof CallEnded) return failedBy(error.failure, `${error.message}${where}`, { httpStatus });
  if (fieldsOf(error).code === connectTimeoutCode) return failedBy("TIMEOUT", "timed out while connecting");
  return failedBy("CONNECTION", `connection failed${where}: ${messageOf(error)}`, { httpStatus });
}

/** Where several addresses were tried, what each failed by. */
function messageOf(error: unknown): string {
  const { errors, message, code, name } = fieldsOf(error);
  if (Array.isArray(errors)) return errors.map(messageOf).join("; ");
  // OpenSSL's own text begins with the thread's address, and ends with a line of its source.
  const [, reason] = typeof message === "string" ? (/:SSL routines:[^:]*:([^:]+):/.exec(message) ?? []) : [];
  if (reason !== undefined) return `TLS: ${reason}`;
  const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
  return [message, code, name].find(isText) ?? "unknown";
}

function fieldsOf(error: unknown): Partial<Record<"errors" | "message" | "code" | "name", unknown>> {
  return typeof error === "object" && error !== null ? error : {};
}
