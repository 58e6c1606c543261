import type { IncomingMessage, ServerResponse } from "node:http";
import { type HttpAnswer, jsonAnswer, methodNotAllowed, pageAnswer, send } from "./http-answer.js";

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TaskScheduler</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; }
dt { font-weight: 600; margin-top: 0.8rem; }
dd { margin: 0; }
</style>
</head>
<body>
<main>
<h1>TaskScheduler</h1>
<p>This is the API of a task scheduler: it keeps tasks, has them run on time, and accounts for every occurrence.</p>
<dl>
<dt><a href="/redoc">/redoc</a></dt><dd>the documentation of the REST interface</dd>
<dt><a href="/openapi.json">/openapi.json</a></dt><dd>the same for programs</dd>
<dt><a href="/api/tasks/">/api/tasks/</a></dt><dd>the tasks, as JSON</dd>
<dt><a href="/healthz">/healthz</a></dt><dd>whether the process lives</dd>
<dt><a href="/readyz">/readyz</a></dt><dd>whether it can do its job</dd>
<dt><a href="/metrics">/metrics</a></dt><dd>what it measures, for Prometheus</dd>
</dl>
<p>Programs call it over gRPC on the gRPC port, and over Connect or gRPC-Web on this one.</p>
</main>
</body>
</html>
`;

/** The original's greeting: a message for programs, a page for browsers. */
export function createWelcome(): (request: IncomingMessage, response: ServerResponse, path: string) => boolean {
  const vary = { vary: "Accept" };
  const message = jsonAnswer(200, { message: "Welcome to the Task Scheduler API!" }, vary);
  const pageForBrowsers = pageAnswer(page, "style-src 'unsafe-inline'");
  const pageWithVary: HttpAnswer = { ...pageForBrowsers, headers: { ...pageForBrowsers.headers, ...vary } };
  return (request, response, path) => {
    if (path !== "/" && path !== "") return false;
    const isRead = request.method === "GET" || request.method === "HEAD";
    const wantsPage = (request.headers.accept ?? "").includes("text/html");
    send(response, isRead ? (wantsPage ? pageWithVary : message) : methodNotAllowed("GET, HEAD"));
    return true;
  };
}
