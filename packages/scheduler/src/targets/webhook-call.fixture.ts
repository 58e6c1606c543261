import type { WebhookCall } from "./webhook-call.js";

/** A call of a task that is called at noon, for tests. */
export const someCall: WebhookCall = {
  url: "http://127.0.0.1/",
  method: "POST",
  headers: {},
  body: "",
  secretName: "",
  contentMode: "BINARY",
  timeoutMs: 15_000,
  taskId: 7,
  taskName: "nightly report",
  executionId: "7.1790000000000",
  scheduledTimeMs: 1_790_000_000_000,
  attempt: 2,
  trigger: "SCHEDULE",
};
