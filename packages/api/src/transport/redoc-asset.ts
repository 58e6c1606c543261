import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { HttpAnswer } from "./http-answer.js";

interface Asset {
  readonly plain: Buffer;
  readonly compressed: Buffer;
  readonly etag: string;
}

/** Redoc's one request to anybody else: its logo. An image that is none is left away. */
const foreignLogo = "https://cdn.redoc.ly/redoc/logo-mini.svg";
const noLogo = "data:,";

/** Redoc's script, read and compressed when it is first asked for, and kept. */
export function createRedocAsset(): (request: IncomingMessage) => Promise<HttpAnswer> {
  let asset: Promise<Asset> | undefined;
  return async ({ headers }) => {
    asset ??= load();
    const { plain, compressed, etag } = await asset.catch((error: unknown) => {
      asset = undefined;
      throw error;
    });
    const common = { "cache-control": "public, max-age=3600", etag, vary: "Accept-Encoding" };
    if (headers["if-none-match"]?.includes(etag)) return { status: 304, headers: common };
    const type = { ...common, "content-type": "text/javascript; charset=utf-8" };
    return /\bgzip\b/.test(headers["accept-encoding"]?.toString() ?? "")
      ? { status: 200, headers: { ...type, "content-encoding": "gzip" }, body: compressed }
      : { status: 200, headers: type, body: plain };
  };
}

async function load(): Promise<Asset> {
  const text = (await read()).replaceAll(foreignLogo, noLogo);
  const plain = Buffer.from(text);
  const etag = `"${createHash("sha256").update(plain).digest("base64url").slice(0, 22)}"`;
  return { plain, compressed: await promisify(gzip)(plain), etag };
}

/** The build puts it beside the compiled code; without a build it is in the npm package. */
async function read(): Promise<string> {
  const built = new URL("../assets/redoc.standalone.js", import.meta.url);
  const fromPackage = (): string => createRequire(import.meta.url).resolve("redoc/bundles/redoc.standalone.js");
  return await readFile(built, "utf8").catch(() => readFile(fromPackage(), "utf8"));
}
