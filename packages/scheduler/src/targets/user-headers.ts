import { blocked } from "./refusal.js";

/** Headers of a request, by their names in lower case. */
export type Headers = Readonly<Record<string, string>>;

/** They belong to the connection or follow from URL and body. HTTP/2 knows most of them no more. */
const connectionHeaders: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** Ours alone: a receiver may rely on them. */
const ownPrefixes = ["ce-", "taskscheduler-", "webhook-"];

const namePattern = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
const valuePattern = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * What a task's own headers add to a request. Of several that differ in case, the last is sent.
 * @throws Refusal for what HTTP does not allow
 */
export function pickUserHeaders(headers: Readonly<Record<string, string>>): Headers {
  const picked: Record<string, string> = {};
  for (const [anyCase, value] of Object.entries(headers)) {
    const name = anyCase.toLowerCase();
    if (!namePattern.test(name)) throw blocked("a header's name has a character that HTTP does not allow");
    if (!valuePattern.test(value)) throw blocked(`the header ${name} has a character that HTTP does not allow`);
    if (connectionHeaders.has(name) || ownPrefixes.some((prefix) => name.startsWith(prefix))) continue;
    picked[name] = value.trim();
  }
  return picked;
}
