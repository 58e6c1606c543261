import type { WebhookRequest } from "../webhook-request.js";
import type { Connection, Response } from "./connection.js";

/** Bytes read of a response. A longer one is cut off. */
const MAX_RESPONSE_BYTES = 64 * 1024;
/** Bytes kept of a response, of which the beginning is shown. */
const KEPT_BYTES = 4 * 1024;
/** The receiver wants the request on another connection (RFC 9110, section 15.5.20). */
const MISDIRECTED_REQUEST = 421;

export interface WebhookResponse {
  readonly httpStatus: number;
  /** The first where there are several; empty: none. */
  readonly retryAfter: string;
  readonly location: string;
  /** The beginning of the body as text; empty where it is compressed. */
  readonly text: string;
}

/**
 * Sends a request and reads its response to the end, or to the bound. Redirects are responses.
 *
 * @param onStatus called with the status as soon as it is known
 */
export async function exchange(
  connection: Connection,
  request: WebhookRequest,
  onStatus: (httpStatus: number) => void,
): Promise<WebhookResponse> {
  const { httpStatus, headers, body } = await connection.send(request);
  onStatus(httpStatus);
  const start = await readStart(body);
  if (httpStatus === MISDIRECTED_REQUEST) connection.destroy();
  const encoding = firstOf(headers["content-encoding"]).toLowerCase();
  return {
    httpStatus,
    retryAfter: firstOf(headers["retry-after"]),
    location: firstOf(headers["location"]),
    text: encoding === "" || encoding === "identity" ? new TextDecoder().decode(start) : "",
  };
}

async function readStart(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const kept: Buffer[] = [];
  let readBytes = 0;
  for await (const chunk of body) {
    if (readBytes < KEPT_BYTES) kept.push(chunk.subarray(0, KEPT_BYTES - readBytes));
    readBytes += chunk.length;
    // Leaving the loop ends the exchange, and so the connection or the stream.
    if (readBytes > MAX_RESPONSE_BYTES) break;
  }
  return Buffer.concat(kept);
}

function firstOf(value: Response["headers"][string]): string {
  return (typeof value === "string" ? value : value?.[0]) ?? "";
}
