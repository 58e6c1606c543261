import { CallEnded } from "./call-time.js";
import { UnansweredError } from "./connections/connection.js";
import { ProxyError } from "./connections/tunnel.js";
import { Refusal } from "./refusal.js";
import { failedBy, type WebhookOutcome } from "./webhook-outcome.js";

/**
 * Says why a call has no whole response. Node's texts name hosts, addresses and header names, and no header's value.
 *
 * @param httpStatus of the response that broke off; 0: none had begun
 */
export function failureOf(error: unknown, httpStatus: number): WebhookOutcome {
  const where = httpStatus === 0 ? "" : `, in the response with HTTP ${httpStatus}`;
  if (error instanceof UnansweredError) return failureOf(error.cause, httpStatus);
  if (error instanceof ProxyError) return failedBy("CONNECTION", `proxy failed: ${error.message}`);
  if (error instanceof Refusal) return failedBy(error.failure, error.message);
  if (error instanceof CallEnded) return failedBy(error.failure, `${error.message}${where}`, { httpStatus });
  if (fieldsOf(error).name === "TimeoutError") return failedBy("TIMEOUT", "timed out while connecting");
  return failedBy("CONNECTION", `connection failed${where}: ${messageOf(error)}`, { httpStatus });
}

/** Where several addresses were tried, the message has the failure of each. */
function messageOf(error: unknown): string {
  const { errors, message, code, name } = fieldsOf(error);
  if (Array.isArray(errors)) return errors.map(messageOf).join("; ");
  const text = isText(message) ? message : "";
  return replacementOf(text, code) ?? [text, code, name].find(isText) ?? "unknown";
}

/** Node's names for what users know by others. */
function replacementOf(message: string, code: unknown): string | undefined {
  // OpenSSL's own text begins with the thread's address, and ends with a line of its source.
  const [, reason] = /:SSL routines:[^:]*:([^:]+):/.exec(message) ?? [];
  if (reason !== undefined) return `TLS: ${reason}`;
  if (code === "ECONNRESET" && (message === "socket hang up" || message === "aborted")) {
    return "the receiver closed the connection";
  }
  if (code === "HPE_HEADER_OVERFLOW") return "the response's headers are larger than 64 KiB";
  if (typeof code === "string" && code.startsWith("HPE_")) {
    return `the response is not valid HTTP: ${message.replace("Parse Error: ", "")}`;
  }
  return undefined;
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";

function fieldsOf(error: unknown): Partial<Record<"errors" | "message" | "code" | "name", unknown>> {
  return typeof error === "object" && error !== null ? error : {};
}
