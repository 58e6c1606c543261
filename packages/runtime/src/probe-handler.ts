import type { IncomingMessage, ServerResponse } from "node:http";
import type { Registry } from "prom-client";
import type { Readiness } from "./readiness.js";

export interface ProbeHandlerOptions {
  readonly readiness: Readiness;
  readonly registry: Registry;
}

/** Answers a probe. Returns false, and touches nothing, when the request is for something else. */
export type ProbeHandler = (request: IncomingMessage, response: ServerResponse) => boolean;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const textType = "text/plain; charset=utf-8";

/** Serves `/healthz` (the process lives), `/readyz` (200 while it is ready, else 503 with a reason a line) and `/metrics`. */
export function createProbeHandler({ readiness, registry }: ProbeHandlerOptions): ProbeHandler {
  const probes: Readonly<Record<string, () => Answer | Promise<Answer>>> = {
    "/healthz": () => ({ status: 200, type: textType, body: "ok\n" }),
    "/readyz": () => readyzAnswer(readiness()),
    "/metrics": async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() }),
  };
  return (request, response) => {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const probe = Object.hasOwn(probes, path) ? probes[path] : undefined;
    if (probe === undefined) return false;
    void answer(request, response, probe);
    return true;
  };
}

function readyzAnswer(reasons: readonly string[]): Answer {
  if (reasons.length === 0) return { status: 200, type: textType, body: "ready\n" };
  return { status: 503, type: textType, body: reasons.map((reason) => `not ready: ${reason}\n`).join("") };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  probe: () => Answer | Promise<Answer>,
): Promise<void> {
  request.resume();
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { allow: "GET, HEAD" }).end();
    return;
  }
  const { status, type, body } = await settle(probe);
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

/** A metric that cannot be collected must not end the process. */
async function settle(probe: () => Answer | Promise<Answer>): Promise<Answer> {
  try {
    return await probe();
  } catch {
    return { status: 500, type: textType, body: "the probe failed\n" };
  }
}
