import type { IncomingMessage, ServerResponse } from "node:http";
import { cors } from "@connectrpc/connect";
import { jsonAnswer, send } from "./http-answer.js";

/** A day; browsers cut it to what they bear. */
const preflightMaxAgeSeconds = 86_400;
const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]);

const preflightHeaders = {
  "access-control-allow-methods": [...new Set([...cors.allowedMethods, "PUT", "DELETE"])].join(", "),
  "access-control-allow-headers": [...cors.allowedHeaders, "Authorization", "X-Request-Id"].join(", "),
  "access-control-max-age": String(preflightMaxAgeSeconds),
};
const exposedHeaders = [...cors.exposedHeaders, "Retry-After"].join(", ");

/**
 * CORS for a list of origins. Every other origin gets no header, so its scripts cannot read an answer; and what comes
 * from another site is refused when it would change something, for a form needs no permission to be sent.
 *
 * @returns whether the request has been answered
 */
export function createCrossOrigin(
  origins: readonly string[],
): (request: IncomingMessage, response: ServerResponse) => boolean {
  const allowed = new Set(origins);
  return (request, response) => {
    const { origin } = request.headers;
    if (allowed.size > 0) response.setHeader("vary", "Origin");
    if (origin !== undefined && allowed.has(origin)) {
      response.setHeader("access-control-allow-origin", origin);
      response.setHeader("access-control-expose-headers", exposedHeaders);
      if (!isPreflight(request)) return false;
      send(response, { status: 204, headers: preflightHeaders });
      return true;
    }
    if (origin !== undefined && isPreflight(request)) {
      send(response, { status: 204 });
      return true;
    }
    if (safeMethods.has(request.method ?? "") || !isForeign(request)) return false;
    send(response, jsonAnswer(403, { detail: "This origin may not call the API; see CORS_ORIGINS" }));
    return true;
  };
}

/** By the browser's own word, which it gives to trustworthy addresses alone; else by an `Origin` of another host. */
function isForeign({ headers }: IncomingMessage): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined) return site === "cross-site" || site === "same-site";
  const { origin, host } = headers;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase();
}

function isPreflight(request: IncomingMessage): boolean {
  return request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined;
}
