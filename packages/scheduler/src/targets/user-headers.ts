import { blocked } from "./refusal.js";

/** Headers of a request, by their names in lower case. A user may name one `__proto__`: read own properties alone. */
export type Headers = Readonly<Record<string, string>>;

/** Headers of the connection, or that follow from URL and body. HTTP/2 has few of them. */
const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
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
/** Prefixes of headers that receivers rely on, and only the scheduler sets. */
const OWN_PREFIXES = ["ce-", "taskscheduler-", "webhook-"];

const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * Picks the headers of a task that are sent. Of several names that differ in case, the last is sent.
 *
 * @throws Refusal for what HTTP does not allow
 */
export function pickUserHeaders(headers: Readonly<Record<string, string>>): Headers {
  const picked = new Map<string, string>();
  for (const [anyCase, value] of Object.entries(headers)) {
    const name = anyCase.toLowerCase();
    if (!NAME.test(name)) throw blocked("a header's name has a character that HTTP does not allow");
    if (!VALUE.test(value)) throw blocked(`the header ${name} has a character that HTTP does not allow`);
    if (CONNECTION_HEADERS.has(name) || OWN_PREFIXES.some((prefix) => name.startsWith(prefix))) continue;
    picked.set(name, value.trim());
  }
  // An assignment to `__proto__` would be lost.
  return Object.fromEntries(picked);
}
