import type { WebhookCall } from "./webhook-call.js";

/** What a call carries. */
export interface Content {
  /** As it stands in the body; empty: none. */
  readonly text: string;
  /** Empty with an empty text. */
  readonly type: string;
  /** It can stand in a JSON document as it is. */
  readonly isJson: boolean;
}

const noContent: Content = { text: "", type: "", isJson: false };

/** @param userType the user's `content-type`; undefined: what the body looks like */
export function contentOf(call: WebhookCall, userType: string | undefined): Content {
  if (call.method === "GET") return noContent;
  if (call.body === "") return { text: defaultBody(call), type: "application/json", isJson: true };
  const isJson = (userType === undefined || isJsonType(userType)) && parsesAsJson(call.body);
  return { text: call.body, type: userType ?? (isJson ? "application/json" : "text/plain; charset=utf-8"), isJson };
}

function defaultBody({ taskId, taskName, executionId, scheduledTimeMs, attempt, trigger }: WebhookCall): string {
  return JSON.stringify({
    task_id: taskId,
    task_name: taskName,
    execution_id: executionId,
    scheduled_time: new Date(scheduledTimeMs).toISOString(),
    attempt,
    trigger,
  });
}

function isJsonType(type: string): boolean {
  return /^[^;]*[/+]json\s*(;|$)/i.test(type);
}

function parsesAsJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
