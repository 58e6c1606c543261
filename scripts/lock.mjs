import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { identify, isAlive } from "./process-identity.mjs";
import { waitFor } from "./wait.mjs";

/**
 * Holds a file as a lock. A lock whose holder is dead (killed, or the machine went down) is taken over.
 *
 * @param {string} file
 * @param {{ waitMs?: number }} [options] how long to wait for a living holder, by default not at all
 * @returns {Promise<{ release: () => void } | undefined>} undefined where somebody else holds it
 */
export async function acquireLock(file, { waitMs = 0 } = {}) {
  mkdirSync(dirname(file), { recursive: true });
  const taken = await waitFor(() => tryAcquire(file), { timeoutMs: waitMs, intervalMs: 100 });
  return taken ? { release: () => rmSync(file, { force: true }) } : undefined;
}

/** @returns {import("./process-identity.mjs").ProcessIdentity | undefined} who holds it and lives */
export function lockHolder(file) {
  try {
    const holder = JSON.parse(readFileSync(file, "utf8"));
    return isAlive(holder) ? holder : undefined;
  } catch {
    return undefined;
  }
}

/** A link appears whole or not at all: nobody reads a lock that is half written. */
function tryAcquire(file) {
  const own = `${file}.${process.pid}`;
  writeFileSync(own, JSON.stringify(identify(process.pid)));
  try {
    if (!lockHolder(file)) removeStale(file);
    linkSync(own, file);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

/** Renamed before it is removed: where two find one stale lock, the second would otherwise remove the first one's new lock. */
function removeStale(file) {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (error.code === "ENOENT") return;
    throw error;
  }
  if (lockHolder(aside)) linkSync(aside, file);
  rmSync(aside);
}
