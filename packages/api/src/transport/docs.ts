import type { IncomingMessage, ServerResponse } from "node:http";
import { type HttpAnswer, jsonAnswer, methodNotAllowed, notFound, pageAnswer, send } from "./http-answer.js";
import { openApi } from "./openapi.js";
import { createRedocAsset } from "./redoc-asset.js";

const redocPath = "/assets/redoc.standalone.js";

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TaskScheduler: REST</title>
<style>body { margin: 0; }</style>
</head>
<body>
<redoc spec-url="/openapi.json"></redoc>
<script src="${redocPath}"></script>
</body>
</html>
`;

/** Redoc styles its elements from its script, searches in a worker, and compiles the schemas' schema. */
const policy = [
  "script-src 'self' 'unsafe-eval'",
  "worker-src blob:",
  "style-src 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
].join("; ");

type Answer = (request: IncomingMessage) => HttpAnswer | Promise<HttpAnswer>;

/** `/openapi.json`, the pages `/redoc` and `/docs`, and the script they need: all of it from this process. */
export function createDocs(): (request: IncomingMessage, response: ServerResponse, path: string) => boolean {
  const redoc = createRedocAsset();
  const documentation = pageAnswer(page, policy);
  const answers = new Map<string, Answer>([
    ["/openapi.json", () => jsonAnswer(200, openApi)],
    ["/redoc", () => documentation],
    ["/docs", () => documentation],
    [redocPath, redoc],
  ]);
  return (request, response, path) => {
    const answer = answers.get(path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path);
    if (answer === undefined) return false;
    if (request.method !== "GET" && request.method !== "HEAD") send(response, methodNotAllowed("GET, HEAD"));
    else void settle(answer, request).then((settled) => send(response, settled));
    return true;
  };
}

/** A script that was not built along is missing, and no more than that. */
async function settle(answer: Answer, request: IncomingMessage): Promise<HttpAnswer> {
  try {
    return await answer(request);
  } catch {
    return notFound;
  }
}
