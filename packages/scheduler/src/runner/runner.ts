import { ExecutionTrigger, type Target, type Webhook, WebhookContentMode } from "@taskscheduler/proto";
import type { HeldClaim, Outcome } from "../claims/held-claim.js";
import type { WebhookCall } from "../targets/webhook-call.js";
import type { WebhookClient } from "../targets/webhook-client.js";

/** Runs what a claim stands for. Never rejects: a failure is an outcome. Times are the server's. */
export interface Runner {
  run(claim: HeldClaim): Promise<Outcome>;
}

const stillRuns = new AbortController().signal;

/** Calls the targets of claims; of what calls nobody, that its time has come is its execution. */
export function createRunner(webhooks: WebhookClient, nowMs: () => number): Runner {
  return {
    async run(claim) {
      const { target, startTimeMs } = claim;
      if (target === undefined) return { ...reminded, startTimeMs, endTimeMs: startTimeMs };
      if (target.webhook === undefined) return { ...deleted, startTimeMs, endTimeMs: startTimeMs };
      const call = callOf(claim, target, target.webhook);
      const { succeeded, failure, httpStatus, retryAfterMs, error } = await webhooks.call(
        call,
        claim.running?.signal ?? stillRuns,
      );
      const endTimeMs = Math.max(Math.floor(nowMs()), startTimeMs);
      const times = { startTimeMs, endTimeMs, httpStatus, retryAfterMs: retryAfterMs ?? 0 };
      if (succeeded) return { ...times, state: "SUCCEEDED", failure: "NONE", error: "" };
      if (failure === "ABORTED") return { ...times, ...(claim.running?.signal.aborted ? cancelled : interrupted) };
      return { ...times, state: "FAILED", failure, error };
    },
  };
}

const reminded = {
  state: "SUCCEEDED",
  failure: "NONE",
  httpStatus: 0,
  retryAfterMs: 0,
  error: "",
} satisfies Partial<Outcome>;
const deleted = {
  ...{ state: "FAILED", failure: "BLOCKED", httpStatus: 0, retryAfterMs: 0 },
  error: "there is nothing to call: the task was deleted",
} satisfies Partial<Outcome>;

const cancelled = { state: "CANCELLED", failure: "NONE", error: "cancelled by a user" } satisfies Partial<Outcome>;
const interrupted = {
  ...{ state: "FAILED", failure: "INTERRUPTED", error: "broken off: the scheduler was stopped" },
} satisfies Partial<Outcome>;

function callOf(claim: HeldClaim, target: Target, webhook: Webhook): WebhookCall {
  const { taskId, scheduledTimeMs, attempt, key } = claim;
  const { url, method, headers, body, secretName, contentMode } = webhook;
  const { taskName, timeoutMs, trigger } = target;
  return {
    ...{ url, method, headers, body, secretName, timeoutMs, taskId, taskName, scheduledTimeMs, attempt },
    contentMode: contentMode === WebhookContentMode.STRUCTURED ? "STRUCTURED" : "BINARY",
    executionId: key,
    trigger: ExecutionTrigger[trigger] ?? "UNSPECIFIED",
  };
}
