import type { EventEmitter } from "node:events";
import type { WebhookRequest } from "../webhook-request.js";

/** A final response: its body has yet to be read. */
export interface Response {
  readonly httpStatus: number;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Reading throws when the body breaks off. Leaving the loop early ends the exchange. */
  readonly body: AsyncIterable<Buffer>;
}

/** An open connection to a receiver. It serves one request at a time. */
export interface Connection {
  /** Whether a request may be sent now. */
  readonly isFree: boolean;
  /** Informational responses (1xx) are passed over, as RFC 9110, section 15.2, says. */
  send(request: WebhookRequest): Promise<Response>;
  /** Fails the request under way. */
  destroy(): void;
}

export interface ConnectionEvents {
  /** The exchange is over, and the connection takes another request. */
  readonly onFree: () => void;
  readonly onClose: () => void;
}

/**
 * Why a request got no response, not even a part of one.
 *
 * - `REFUSED`: the receiver says that it did nothing with the request
 * - `HTTP_1_1_REQUIRED`: so it does, because it serves this request over HTTP/1.1 alone
 * - `SILENT`: the connection ended, and the receiver may have done anything
 */
export type Unanswered = "REFUSED" | "HTTP_1_1_REQUIRED" | "SILENT";

/** A request that got no response. The cause says what happened to the connection. */
export class UnansweredError extends Error {
  override readonly name = "UnansweredError";
  readonly kind: Unanswered;

  constructor(kind: Unanswered, cause: unknown) {
    super("no response", { cause });
    this.kind = kind;
  }
}

/** Host and port as requests name them. */
export function authorityOf(origin: string): string {
  return origin.slice(origin.indexOf("//") + 2);
}

/** Maximum size of a response's header section, in bytes. A larger one fails the exchange. */
export const MAX_HEADER_BYTES = 64 * 1024;

/** Time that a request has to reach its end once its response is whole. What a receiver leaves unread is then given up. */
const UNREAD_MS = 50;

/** Resolves when the exchange has closed, or after `UNREAD_MS`. */
export async function settled(exchange: { readonly closed: boolean } & EventEmitter): Promise<void> {
  if (exchange.closed) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, UNREAD_MS);
    exchange.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Idle time of a connection. Node's servers close after 5 s: whoever closes last loses no request. */
export const IDLE_MS = 4_000;
