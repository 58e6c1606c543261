import { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import type { WebhookRequest } from "../webhook-request.js";

/** What is read of a response; the connection of one that goes on is closed. */
const maxResponseBytes = 64 * 1024;
/** What is kept of that, to show the beginning of. */
const keptBytes = 4 * 1024;

export interface WebhookResponse {
  readonly httpStatus: number;
  /** The first where there are several; empty: none. */
  readonly retryAfter: string;
  readonly location: string;
  /** The beginning of the body as text; empty where it is compressed. */
  readonly text: string;
}

export interface ExchangeOptions {
  readonly signal: AbortSignal;
  /** Called with the status as soon as it is known. */
  readonly onStatus: (httpStatus: number) => void;
}

/** Sends a request and reads its response to the end, or to the bound. Redirects are responses. */
export async function exchange(
  dispatcher: Dispatcher,
  request: WebhookRequest,
  { signal, onStatus }: ExchangeOptions,
): Promise<WebhookResponse> {
  const { path, method } = request;
  const response = await dispatcher.request({ path, method, ...contentOf(request), signal });
  onStatus(response.statusCode);
  const encoding = firstOf(response.headers["content-encoding"]).toLowerCase();
  const start = await readStart(response.body);
  return {
    httpStatus: response.statusCode,
    retryAfter: firstOf(response.headers["retry-after"]),
    location: firstOf(response.headers["location"]),
    text: encoding === "" || encoding === "identity" ? new TextDecoder().decode(start) : "",
  };
}

async function readStart(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const kept: Buffer[] = [];
  let readBytes = 0;
  for await (const chunk of body) {
    if (readBytes < keptBytes) kept.push(chunk.subarray(0, keptBytes - readBytes));
    readBytes += chunk.length;
    // To leave the loop destroys the body, and so the connection or the stream.
    if (readBytes > maxResponseBytes) break;
  }
  return Buffer.concat(kept);
}

function firstOf(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? "";
}

/**
 * Over HTTP/2, undici 7 asserts of a DELETE whose body it has whole that it has none. It takes one that comes in pieces,
 * and then has to be told its length for HTTP/1.1.
 */
function contentOf({ method, headers, body }: WebhookRequest): Pick<Dispatcher.RequestOptions, "headers" | "body"> {
  if (body.length === 0) return { headers, body: null };
  if (method !== "DELETE") return { headers, body };
  return { headers: { ...headers, "content-length": String(body.length) }, body: Readable.from([body]) };
}
