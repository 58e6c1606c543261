import type { IncomingMessage } from "node:http";
import type { RestFault } from "./rest-fault.js";

const maxBodyBytes = 1024 * 1024;

export type RestBody =
  | { readonly kind: "json"; readonly value: unknown }
  | { readonly kind: "faulty"; readonly fault: RestFault }
  | { readonly kind: "too large" };

/** Reads a body as FastAPI does: JSON that says so, or that says nothing. */
export async function readRestBody(request: IncomingMessage): Promise<RestBody> {
  const bytes = await readBytes(request);
  if (bytes === undefined) return { kind: "too large" };
  if (bytes.length === 0) return { kind: "faulty", fault: { loc: ["body"], msg: "Field required", type: "missing" } };
  const type = request.headers["content-type"];
  // Judged as a text, which is no object. It also keeps out what a browser sends to any site without asking.
  if (type !== undefined && !/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) return { kind: "json", value: "" };
  return parse(bytes);
}

function parse(bytes: Buffer): RestBody {
  try {
    return { kind: "json", value: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) };
  } catch (error) {
    // V8 names the position, unless the text just ends.
    const position = Number(/position (\d+)/.exec(String(error))?.[1] ?? bytes.toString().length);
    return { kind: "faulty", fault: { loc: ["body", position], msg: "JSON decode error", type: "json_invalid" } };
  }
}

/** Undefined as soon as the body is too large; the rest is not read. */
async function readBytes(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += chunk.length;
    if (length > maxBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
