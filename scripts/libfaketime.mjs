import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { aptInstall, aptPrivilege } from "./apt.mjs";
import { Fault } from "./fault.mjs";

const librariesDir = "/usr/lib";

/**
 * Debian's libfaketime, which gives a process a wall clock of its own: the tests of set clocks need it.
 *
 * @returns {string | undefined} the library's path
 */
export function findLibfaketime() {
  if (!existsSync(librariesDir)) return undefined;
  return readdirSync(librariesDir)
    .map((architecture) => join(librariesDir, architecture, "faketime", "libfaketimeMT.so.1"))
    .find((path) => existsSync(path));
}

/** @throws {Fault} where it is missing and this process cannot install it */
export async function ensureLibfaketimeInstalled({ log = console.error } = {}) {
  if (findLibfaketime()) return;
  const privilege = await aptPrivilege();
  if (!privilege) throw new Fault("libfaketime is missing, and apt-get cannot be used here to install it.");
  log(`libfaketime is not installed: ${[...privilege, "apt-get install libfaketime"].join(" ")} …`);
  const { code, output } = await aptInstall(["libfaketime"], privilege);
  if (code !== 0 || !findLibfaketime()) {
    throw new Fault(`apt-get did not bring libfaketime (exit code ${code}):\n${output.slice(-2000)}`);
  }
}
