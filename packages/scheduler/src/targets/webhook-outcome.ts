import { oneLine } from "./one-line.js";

/**
 * - `NONE`: a 2xx response, read to its end or to the bound
 * - `RESPONSE`: any other response, redirects among them
 * - `CONNECTION`: no name, no connection, no TLS, no HTTP, or cut off half-way
 * - `TIMEOUT`: not over in its time
 * - `BLOCKED`: not sent, since it may not be: where it would go, or what it is made of
 * - `SECRET_UNKNOWN`: not sent, since there is nothing to sign it with
 * - `ABORTED`: ended by this process
 */
export type WebhookFailure = "NONE" | "RESPONSE" | "CONNECTION" | "TIMEOUT" | "BLOCKED" | "SECRET_UNKNOWN" | "ABORTED";

/** How a call ended. */
export interface WebhookOutcome {
  readonly succeeded: boolean;
  readonly failure: WebhookFailure;
  /** Of the response, also of one that was never read to its end. 0: none came. */
  readonly httpStatus: number;
  /** What the receiver asked for with a failure. Undefined: nothing. */
  readonly retryAfterMs: number | undefined;
  /** One line of at most `maxErrorLength` characters, for users to read; empty when it succeeded. */
  readonly error: string;
}

const maxErrorLength = 500;

export function succeededWith(httpStatus: number): WebhookOutcome {
  return { succeeded: true, failure: "NONE", httpStatus, retryAfterMs: undefined, error: "" };
}

export interface FailureDetails {
  readonly httpStatus?: number;
  readonly retryAfterMs?: number | undefined;
}

export function failedBy(
  failure: Exclude<WebhookFailure, "NONE">,
  error: string,
  { httpStatus = 0, retryAfterMs }: FailureDetails = {},
): WebhookOutcome {
  return { succeeded: false, failure, httpStatus, retryAfterMs, error: oneLine(error, maxErrorLength) };
}
