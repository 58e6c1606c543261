import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { createAddressJudge } from "./address-judge.js";
import { failureOf } from "./call-error.js";
import { type CallTime, createCallTime } from "./call-time.js";
import { createConnector } from "./connections/connector.js";
import { exchange } from "./connections/exchange.js";
import { createReceivers } from "./connections/receivers.js";
import { outcomeOf } from "./response-outcome.js";
import type { WebhookCall } from "./webhook-call.js";
import type { WebhookOutcome } from "./webhook-outcome.js";
import type { WebhookProxy } from "./webhook-proxy.js";
import { createWebhookRequest } from "./webhook-request.js";
import type { WebhookSecrets } from "./webhook-secrets.js";

export interface WebhookClientOptions {
  /** Ranges that may be called although they are not public: `TARGET_ALLOW_CIDRS`. Fixed for the client's life. */
  readonly allowCidrs: readonly string[];
  readonly secrets: WebhookSecrets;
  /** Default: none. */
  readonly proxy?: WebhookProxy | undefined;
  /** Default: the system's. */
  readonly lookup?: LookupFunction;
  /** Server time. */
  readonly nowMs: () => number;
}

/** Calls users' webhooks. */
export interface WebhookClient {
  /** One attempt. Never rejects: a failure is an outcome. */
  call(call: WebhookCall, signal: AbortSignal): Promise<WebhookOutcome>;
  /** Ends the calls under way, and the connections. Calls that come later are `ABORTED`. */
  close(): Promise<void>;
}

/**
 * A connection may serve several attempts. It is judged when it is made, and leads to the same address for as long as it
 * lives; what may be called does not change while the process lives. A name's new address is judged with the next
 * connection.
 */
export function createWebhookClient(options: WebhookClientOptions): WebhookClient {
  const { allowCidrs, secrets, proxy, lookup = systemLookup as LookupFunction, nowMs } = options;
  const receivers = createReceivers(createConnector({ judge: createAddressJudge(allowCidrs), lookup, proxy }));
  const underWay = new Set<CallTime>();
  let isClosed = false;

  async function attempt(call: WebhookCall, time: CallTime): Promise<WebhookOutcome> {
    let httpStatus = 0;
    const onStatus = (status: number): void => {
      httpStatus = status;
    };
    try {
      time.signal.throwIfAborted();
      const request = createWebhookRequest(call, secrets, nowMs());
      const { signal } = time;
      const exchanging = receivers.run(request.origin, (connection) => exchange(connection, request, onStatus), signal);
      // The race bounds the attempt, whatever Node reports of a connection.
      return outcomeOf(await Promise.race([exchanging, time.ended]), nowMs());
    } catch (error) {
      // Whatever came of it, the call was ended first.
      return failureOf(time.signal.aborted ? time.signal.reason : error, httpStatus);
    }
  }

  return {
    async call(call, signal) {
      const time = createCallTime(call.timeoutMs, signal);
      underWay.add(time);
      if (isClosed) time.abort();
      try {
        return await attempt(call, time);
      } finally {
        underWay.delete(time);
        time.release();
      }
    },
    async close() {
      isClosed = true;
      for (const time of underWay) time.abort();
      receivers.close();
    },
  };
}
