import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/**
 * Names a living process so that a later one of the same id is not taken for it: its id and its time of start.
 *
 * @typedef {{ pid: number, started: string }} ProcessIdentity
 * @param {number} pid
 * @returns {ProcessIdentity | undefined} undefined where there is no such process
 */
export function identify(pid) {
  const started = startOf(pid);
  return started === undefined ? undefined : { pid, started };
}

/** @param {ProcessIdentity | undefined} identity */
export function isAlive(identity) {
  return identity !== undefined && identity.started === startOf(identity.pid);
}

function startOf(pid) {
  try {
    return startFromProc(pid);
  } catch {
    return startFromPs(pid);
  }
}

/** Linux: field 22 of /proc/PID/stat, in ticks since boot. The command's name before it may hold anything, also blanks. */
function startFromProc(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? undefined : fields[19];
}

function startFromPs(pid) {
  if (process.platform === "linux") return undefined;
  try {
    return (
      execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8", timeout: 5000 }).trim() || undefined
    );
  } catch {
    return undefined;
  }
}
