import type { Content } from "./content.js";
import type { Headers } from "./user-headers.js";
import type { WebhookCall } from "./webhook-call.js";

const eventType = "taskscheduler.execution.due";
export const structuredContentType = "application/cloudevents+json; charset=utf-8";

/** The attributes of a CloudEvent 1.0; `attempt` and `trigger` are extensions. */
interface EventAttributes {
  readonly specversion: "1.0";
  /** The execution's, the same at each attempt. */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** Left out where a task has no name: it may not be empty. */
  readonly subject?: string;
  readonly time: string;
  readonly attempt: number;
  readonly trigger: string;
}

function attributesOf(call: WebhookCall): EventAttributes {
  return {
    specversion: "1.0",
    id: call.executionId,
    source: `/tasks/${call.taskId}`,
    type: eventType,
    ...(call.taskName === "" ? {} : { subject: call.taskName }),
    time: new Date(call.scheduledTimeMs).toISOString(),
    attempt: call.attempt,
    trigger: call.trigger,
  };
}

/** Binary mode: the attributes as headers, beside a body of the user's. */
export function eventHeaders(call: WebhookCall): Headers {
  const attributes = Object.entries(attributesOf(call));
  return Object.fromEntries(attributes.map(([name, value]) => [`ce-${name}`, percentEncode(String(value))]));
}

/** Structured mode: a JSON object of the attributes and the content. JSON stands in it untouched, with every digit. */
export function eventEnvelope(call: WebhookCall, content: Content): string {
  const attributes = JSON.stringify({ ...attributesOf(call), datacontenttype: content.type });
  return `${attributes.slice(0, -1)},"data":${content.isJson ? content.text : JSON.stringify(content.text)}}`;
}

/** CloudEvents' HTTP binding 1.0, section 3.1.3.2: all but printable ASCII, and space, double quote and percent sign. */
function percentEncode(value: string): string {
  return value.replace(/[^\x21-\x7e]|["%]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}
