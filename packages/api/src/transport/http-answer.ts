import type { OutgoingHttpHeaders, ServerResponse } from "node:http";

/** An answer that is small enough to be made whole. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers?: OutgoingHttpHeaders;
  /** None: the answer has no body. */
  readonly body?: string | Buffer;
}

/** Compact, its keys in the order they have in the value. */
export function jsonAnswer(status: number, value: unknown, headers: OutgoingHttpHeaders = {}): HttpAnswer {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(value) };
}

/** A page that loads nothing from anywhere else, and that nobody else may frame. */
export function pageAnswer(html: string, policy: string): HttpAnswer {
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": `default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; ${policy}`,
  };
  return { status: 200, headers, body: html };
}

/** Node leaves the body away when the request was HEAD. */
export function send(response: ServerResponse, { status, headers = {}, body }: HttpAnswer): void {
  const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
  response.writeHead(status, { "x-content-type-options": "nosniff", ...headers, ...length });
  response.end(body);
}

/** The original's answers where nothing is served, and where the method is another. */
export const notFound: HttpAnswer = jsonAnswer(404, { detail: "Not Found" });

export function methodNotAllowed(allow: string): HttpAnswer {
  return jsonAnswer(405, { detail: "Method Not Allowed" }, { allow });
}
