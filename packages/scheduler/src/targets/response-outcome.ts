import type { WebhookResponse } from "./connections/exchange.js";
import { oneLine } from "./one-line.js";
import { parseRetryAfter } from "./retry-after.js";
import { failedBy, succeededWith, type WebhookOutcome } from "./webhook-outcome.js";

const maxTextLength = 200;
const maxLocationLength = 100;

/** Any 2xx is a success. A redirect is none: where it leads was chosen by the receiver, not by the task's author. */
export function outcomeOf({ httpStatus, retryAfter, location, text }: WebhookResponse, nowMs: number): WebhookOutcome {
  if (httpStatus >= 200 && httpStatus < 300) return succeededWith(httpStatus);
  const isRedirect = httpStatus >= 300 && httpStatus < 400 && location !== "";
  const what = isRedirect
    ? `redirects are not followed (to ${oneLine(location, maxLocationLength)})`
    : oneLine(text, maxTextLength);
  return failedBy("RESPONSE", what === "" ? `HTTP ${httpStatus}` : `HTTP ${httpStatus}: ${what}`, {
    httpStatus,
    retryAfterMs: parseRetryAfter(retryAfter, nowMs),
  });
}
