import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "./paths.mjs";
import { mustRun } from "./run.mjs";

const major = 24;

/**
 * The newest Node.js of the current LTS line, out of an npm package, kept in the cache.
 *
 * @returns {Promise<string | undefined>} the binary's path; undefined where no package carries one for this machine
 */
export async function fetchLtsNode() {
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) return undefined;
  const name = `node-linux-${process.arch}`;
  const dir = join(cacheDir, `node-${major}`);
  const packageDir = join(dir, "node_modules", name);
  const node = join(packageDir, "bin", "node");
  if (!existsSync(node)) {
    mkdirSync(dir, { recursive: true });
    const args = [
      "install",
      "--prefix",
      dir,
      "--no-audit",
      "--no-fund",
      "--no-save",
      "--ignore-scripts",
      `${name}@${major}`,
    ];
    await mustRun("npm", args, { capture: true, env: process.env });
  }
  const { version } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8"));
  if (!version.startsWith(`${major}.`)) throw new Error(`${packageDir} holds Node.js ${version}.`);
  return node;
}
