import {
  type FieldViolation,
  holdsPlaceholder,
  PLACEHOLDER_NAMES,
  parseBody,
  placeholdersOf,
  WEBHOOK_METHODS,
  type Webhook,
  type WebhookMethod,
} from "@taskscheduler/domain";
import { WebhookContentMode, type Webhook as WebhookMessage } from "@taskscheduler/proto";

const MAX_HEADER_LENGTH = 8_192;
/** So that a body that is full of them stays of a size, whatever its task is called. */
const MAX_PLACEHOLDERS = 64;
const MAX_SHOWN = 200;
const SECRET_NAME = /^[\w.-]{1,64}$/;
/** RFC 9110's token. */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]{1,128}$/;
/** Visible ASCII, and spaces and tabs within. */
const HEADER_VALUE = /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/;
/** What a URL's parser would leave out, or put right, is a mistake of whoever wrote it. */
const URL_FORM = /^https?:\/\/[^\s\p{Cc}]+$/iu;
/** What the request or the connection itself needs, and what says who sends it. */
const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  ...["connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-authorization"],
  ...["proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"],
]);
const RESERVED_PREFIXES = ["ce-", "webhook-", "taskscheduler-"];

/** Reads what users set; the proto's rules have been checked. Null: there is none, the task is a reminder. */
export function readWebhook(
  message: WebhookMessage | undefined,
  path: string,
  violations: FieldViolation[],
): Webhook | null {
  if (message === undefined) return null;
  const complain = (field: string) => (description: string) => {
    violations.push({ field: `${path}.${field}`, description });
  };
  judgeUrl(message.url, complain("url"));
  judgeHeaders(message.headers, complain("headers"));
  judgeBody(message, complain("body"));
  if (message.method === "GET" && message.contentMode === WebhookContentMode.STRUCTURED) {
    complain("content_mode")("must be WEBHOOK_CONTENT_MODE_BINARY for GET, which has no body for an event");
  }
  if (message.secretName !== "" && !SECRET_NAME.test(message.secretName)) {
    complain("secret_name")("must be of 1 to 64 letters, digits, . _ -");
  }
  return {
    url: message.url,
    method: readMethod(message.method, complain("method")),
    headers: { ...message.headers },
    body: message.body,
    secretName: message.secretName,
    contentMode: message.contentMode === WebhookContentMode.STRUCTURED ? "STRUCTURED" : "BINARY",
  };
}

const ONLY_IN_BODY = "placeholders are replaced in the body alone";

type Complain = (description: string) => void;

/** The form alone: which addresses a name has is judged by the scheduler, at each attempt. */
function judgeUrl(text: string, complain: Complain): void {
  const url = URL_FORM.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.port === "0") {
    complain("must be an http or https URL, such as https://example.com/hook");
  } else if (url.username !== "" || url.password !== "") {
    complain("must have no user information; send it as a header");
  } else if (holdsPlaceholder(text)) {
    complain(ONLY_IN_BODY);
  }
}

function readMethod(text: string, complain: Complain): WebhookMethod {
  if (text === "") return "POST";
  const method = WEBHOOK_METHODS.find((each) => each === text);
  if (method === undefined) complain(`must be one of ${WEBHOOK_METHODS.join(", ")}`);
  return method ?? "POST";
}

function judgeHeaders(headers: WebhookMessage["headers"], complain: Complain): void {
  const seen = new Set<string>();
  let length = 0;
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    const quoted = JSON.stringify(name);
    length += name.length + value.length;
    if (!HEADER_NAME.test(name)) complain(`${quoted}: names are of 1 to 128 letters, digits and !#$%&'*+-.^_\`|~`);
    else if (RESERVED_HEADERS.has(lower) || RESERVED_PREFIXES.some((prefix) => lower.startsWith(prefix))) {
      complain(`${quoted} is set by the scheduler; leave it out`);
    }
    if (seen.has(lower)) complain(`${quoted} is there twice, in another case`);
    seen.add(lower);
    if (!HEADER_VALUE.test(value)) complain(`${quoted}: values are of visible ASCII, without a space at either end`);
    if (holdsPlaceholder(value)) complain(`${quoted}: ${ONLY_IN_BODY}`);
  }
  if (length > MAX_HEADER_LENGTH) complain(`must have at most ${MAX_HEADER_LENGTH} characters in all`);
}

function judgeBody({ method, body }: WebhookMessage, complain: Complain): void {
  if (method === "GET" && body !== "") complain("must be empty for GET");
  const template = parseBody(body);
  const names = placeholdersOf(template);
  if (names.length > MAX_PLACEHOLDERS) complain(`must have at most ${MAX_PLACEHOLDERS} placeholders`);
  if (template.isRawOpen) complain("{{raw}} has no end; write {{/raw}} behind the text that stands for itself");
  if (body !== "" && names.length === 0 && template.parts.every((part) => "text" in part && part.text === "")) {
    complain("holds nothing but {{raw}}{{/raw}}; leave it empty for the default, or put a text between them");
  }
  const unknown = [...new Set(names)].filter((name) => !PLACEHOLDER_NAMES.includes(name));
  if (unknown.length === 0) return;
  const shown = unknown.map(braced).join(", ").slice(0, MAX_SHOWN);
  const known = PLACEHOLDER_NAMES.map(braced).join(", ");
  complain(`${shown}: must be one of ${known}; text that stands for itself goes between {{raw}} and {{/raw}}`);
}

function braced(name: string): string {
  return `{{${name}}}`;
}
