import { existsSync } from "node:fs";
import { run } from "./run.mjs";

const aptTimeoutMs = 900_000;

/**
 * How this process may install Debian packages.
 *
 * @returns {Promise<string[] | undefined>} the words before the command (none for root), or undefined where it may not
 */
export async function aptPrivilege() {
  if (!existsSync("/etc/debian_version")) return undefined;
  if ((await run("apt-get", ["--version"], { capture: true })).code !== 0) return undefined;
  if (process.getuid?.() === 0) return [];
  const sudo = await run("sudo", ["-n", "true"], { capture: true, timeoutMs: 10_000 });
  return sudo.code === 0 ? ["sudo", "-n"] : undefined;
}

/**
 * Installs packages by apt-get, without starting any service that they bring: while it runs, a policy-rc.d that
 * denies every start is in place, unless the machine has one of its own.
 *
 * @param {string[]} packages
 * @param {string[]} privilege as aptPrivilege gave it
 * @returns {Promise<{ code: number, output: string }>}
 */
export function aptInstall(packages, privilege) {
  const script = `
    set -e
    export DEBIAN_FRONTEND=noninteractive
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
      trap 'rm -f "$policy"' EXIT
      trap 'exit 1' HUP INT TERM
      printf '#!/bin/sh\\nexit 101\\n' > "$policy"
      chmod 755 "$policy"
    fi
    apt-get -o DPkg::Lock::Timeout=120 -qq update
    apt-get -o DPkg::Lock::Timeout=120 -qq -y --no-install-recommends install "$@"`;
  const words = [...privilege, "sh", "-c", script, "apt-install", ...packages];
  return run(words[0], words.slice(1), { capture: true, timeoutMs: aptTimeoutMs });
}
