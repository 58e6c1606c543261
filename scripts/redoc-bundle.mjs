import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Fault } from "./fault.mjs";
import { root } from "./paths.mjs";

const assetsDir = join(root, "packages", "api", "dist", "assets");

/** The element that shows Redocly's logo, from a host of theirs: nothing of ours asks a foreign host. */
const logo = /\w+\?\w+\.createElement\("img",\{alt:"redocly logo"[^{}]*\}\):null/g;
const logoHost = "cdn.redoc.ly";

/**
 * Puts Redoc's bundle and its licences where the API serves them from; does nothing where they are there already.
 *
 * @throws {Fault} where the bundle no longer looks as it is known here
 */
export function ensureRedocBundle() {
  const source = createRequire(join(root, "packages", "api", "package.json")).resolve(
    "redoc/bundles/redoc.standalone.js",
  );
  const target = join(assetsDir, "redoc.standalone.js");
  if (existsSync(target) && statSync(target).mtimeMs >= statSync(source).mtimeMs) return;
  mkdirSync(assetsDir, { recursive: true });
  copyFileSync(`${source}.LICENSE.txt`, `${target}.LICENSE.txt`);
  copyFileSync(join(dirname(source), "..", "LICENSE"), join(assetsDir, "redoc.LICENSE"));
  writeFileSync(target, withoutLogo(readFileSync(source, "utf8")));
}

function withoutLogo(bundle) {
  const found = bundle.match(logo)?.length ?? 0;
  const stripped = bundle.replace(logo, "null");
  if (found === 1 && !stripped.includes(logoHost)) return stripped;
  throw new Fault(
    `Redoc's bundle has another shape than scripts/redoc-bundle.mjs knows: its logo from ${logoHost} cannot be taken out.`,
  );
}
