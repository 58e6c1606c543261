import { eventEnvelope, eventHeaders, structuredContentType } from "./cloud-event.js";
import { contentOf } from "./content.js";
import { blocked, Refusal } from "./refusal.js";
import { sign } from "./signature.js";
import { type Headers, pickUserHeaders } from "./user-headers.js";
import type { WebhookCall } from "./webhook-call.js";
import type { WebhookSecrets } from "./webhook-secrets.js";

/** What is sent, to the byte. */
export interface WebhookRequest {
  readonly origin: string;
  /** With the query. */
  readonly path: string;
  readonly method: Method;
  readonly headers: Headers;
  /** Empty: none. */
  readonly body: Buffer;
}

const methods = ["POST", "PUT", "PATCH", "DELETE", "GET"] as const;
type Method = (typeof methods)[number];

const defaultSecretName = "default";

/**
 * A call as a CloudEvent 1.0 over HTTP, signed as Standard Webhooks 1.0.0 say. A `GET` has no body that could hold an
 * event, so its event is in the headers in either mode.
 *
 * @throws Refusal
 */
export function createWebhookRequest(call: WebhookCall, secrets: WebhookSecrets, nowMs: number): WebhookRequest {
  const { origin, path } = targetOf(call.url);
  const method = methods.find((each) => each === call.method);
  if (method === undefined) throw blocked(`the method is none of ${methods.join(", ")}`);
  const userHeaders = pickUserHeaders(call.headers);
  const content = contentOf(call, userHeaders["content-type"] || undefined);
  const isStructured = call.contentMode === "STRUCTURED" && content.text !== "";
  const body = Buffer.from(isStructured ? eventEnvelope(call, content) : content.text);
  const contentType = isStructured ? structuredContentType : content.type;
  const headers = {
    "user-agent": "TaskScheduler",
    ...userHeaders,
    ...(contentType === "" ? {} : { "content-type": contentType }),
    ...(isStructured ? {} : eventHeaders(call)),
    ...executionHeaders(call),
    ...signatureHeaders(call, { keys: keysOf(call, secrets), body, nowMs }),
  };
  return { origin, path, method, headers, body };
}

function targetOf(text: string): { origin: string; path: string } {
  if (!URL.canParse(text)) throw blocked("the URL is none");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw blocked("the URL is neither http nor https");
  if (url.username !== "" || url.password !== "") throw blocked("the URL holds a user name or a password");
  return { origin: url.origin, path: `${url.pathname}${url.search}` };
}

/** What an event says too, for receivers that know no CloudEvents: under the same names in both modes. */
function executionHeaders(call: WebhookCall): Headers {
  return {
    "taskscheduler-task-id": String(call.taskId),
    "taskscheduler-execution-id": call.executionId,
    "taskscheduler-scheduled-time": new Date(call.scheduledTimeMs).toISOString(),
    "taskscheduler-attempt": String(call.attempt),
    "taskscheduler-trigger": call.trigger,
  };
}

/** Undefined: unsigned, as long as this scheduler has no secret at all and the task asks for none by name. */
function keysOf({ secretName }: WebhookCall, secrets: WebhookSecrets): readonly Buffer[] | undefined {
  const name = secretName || defaultSecretName;
  const keys = secrets.keysOf(name);
  if (keys !== undefined || (secrets.isEmpty && name === defaultSecretName)) return keys;
  throw new Refusal("SECRET_UNKNOWN", `not sent: WEBHOOK_SECRETS_FILE has no secret named ${JSON.stringify(name)}`);
}

interface SigningOptions {
  readonly keys: readonly Buffer[] | undefined;
  readonly body: Buffer;
  readonly nowMs: number;
}

/** The id and the time are sent unsigned as well: receivers tell attempts at one execution by them. */
function signatureHeaders({ executionId }: WebhookCall, { keys, body, nowMs }: SigningOptions): Headers {
  // A dot would end the id within what is signed.
  const id = executionId.replaceAll(".", "_");
  const timestampSeconds = Math.floor(nowMs / 1000);
  const headers = { "webhook-id": id, "webhook-timestamp": String(timestampSeconds) };
  return keys === undefined ? headers : { ...headers, "webhook-signature": sign(keys, { id, timestampSeconds, body }) };
}
