import type { WebhookResponse } from "./connections/exchange.js";
import { oneLine } from "./one-line.js";
import { parseRetryAfter } from "./retry-after.js";
import { failedBy, succeededWith, type WebhookOutcome } from "./webhook-outcome.js";

const MAX_TEXT_LENGTH = 200;
const MAX_LOCATION_LENGTH = 100;
const SWITCHING_PROTOCOLS = 101;

/** Any 2xx is a success. A redirect is a failure: the receiver chose where it leads, not the task's author. */
export function outcomeOf(response: WebhookResponse, nowMs: number): WebhookOutcome {
  const { httpStatus, retryAfter } = response;
  if (httpStatus >= 200 && httpStatus < 300) return succeededWith(httpStatus);
  const explanation = explanationOf(response);
  return failedBy("RESPONSE", explanation === "" ? `HTTP ${httpStatus}` : `HTTP ${httpStatus}: ${explanation}`, {
    httpStatus,
    retryAfterMs: parseRetryAfter(retryAfter, nowMs),
  });
}

function explanationOf({ httpStatus, location, text }: WebhookResponse): string {
  if (httpStatus === SWITCHING_PROTOCOLS) return "the receiver switched to another protocol, which nobody asked for";
  if (httpStatus >= 300 && httpStatus < 400 && location !== "") {
    return `redirects are not followed (to ${oneLine(location, MAX_LOCATION_LENGTH)})`;
  }
  return oneLine(text, MAX_TEXT_LENGTH);
}
