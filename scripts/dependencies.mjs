import { readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { Fault } from "./fault.mjs";
import { acquireLock } from "./lock.mjs";
import { cacheDir, root } from "./paths.mjs";
import { run } from "./run.mjs";

const oldestNode = [20, 19];
const installTimeoutMs = 600_000;

/** @throws {Fault} where this Node.js is too old */
export function checkNodeVersion(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  throw new Fault(`Node.js >= ${oldestNode.join(".")} is needed; this is ${version} (${process.execPath}).`);
}

/**
 * Brings node_modules to what package-lock.json says; does nothing where it is so already.
 *
 * @param {{ dir?: string, log?: (line: string) => void }} [options] dir: of a manifest, by default the repository's own
 * @throws {Fault} where npm fails
 */
export async function ensureDependencies({ dir = root, log = console.error } = {}) {
  checkNodeVersion();
  if (isInstalled(dir)) return;
  const lock = await acquireLock(join(cacheDir, "install.lock"), { waitMs: 600_000 });
  if (!lock)
    throw new Fault("Another process has been installing the dependencies for ten minutes; end it and try again.");
  try {
    if (isInstalled(dir)) return;
    log(`Installing the dependencies${dir === root ? "" : ` of ${relative(root, dir)}`} (npm ci) …`);
    await install(dir);
  } finally {
    lock.release();
  }
}

async function install(dir) {
  const args = ["ci", "--no-audit", "--no-fund", "--include=dev"];
  const { code, output } = await run("npm", args, {
    cwd: dir,
    env: process.env,
    capture: true,
    timeoutMs: installTimeoutMs,
  });
  if (code !== 0) throw new Fault(`npm ci failed (exit code ${code}):\n${output.slice(-4000)}`);
}

/** npm writes its own copy of the lock file last: where it is there, the installation came to its end. */
export function isInstalled(dir = root) {
  const wanted = join(dir, "package-lock.json");
  const installed = join(dir, "node_modules", ".package-lock.json");
  try {
    return statSync(wanted).mtimeMs <= statSync(installed).mtimeMs || holdsAll(read(wanted), read(installed));
  } catch {
    return false;
  }
}

/** A checkout touches the lock file without changing it: then the versions decide. What is optional may be for another platform. */
function holdsAll(wanted, installed) {
  return Object.entries(wanted.packages).every(([path, { version, link, optional, devOptional }]) => {
    if (!path.startsWith("node_modules/")) return true;
    const found = installed.packages[path];
    return found ? found.version === version && found.link === link : optional === true || devOptional === true;
  });
}

function read(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}
