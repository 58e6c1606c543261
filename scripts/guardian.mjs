import { spawn } from "node:child_process";

/**
 * Watches over processes on behalf of this one: where this one dies without a word (kill -9, out of memory), the guardian
 * ends them in the given order and removes the folders. It learns of the death by the end of a pipe that only this process holds.
 * It lives in a session of its own, so that what kills a whole process group does not take it too.
 *
 * @param {number[]} pids each gets SIGTERM, 15 seconds, then SIGKILL
 * @param {string[]} [folders]
 * @returns {{ dismiss: () => void }} to be called when the processes have ended in the ordinary way
 */
export function guard(pids, folders = []) {
  const script = `
    trap '' HUP INT QUIT TERM
    read -r _
    for pid in ${pids.join(" ")}; do
      kill -TERM "$pid" 2>/dev/null || continue
      for i in $(seq 150); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
      kill -KILL "$pid" 2>/dev/null
    done
    [ "$#" -eq 0 ] || rm -rf -- "$@"`;
  const guardian = spawn("sh", ["-c", script, "guardian", ...folders], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  guardian.on("error", () => {});
  guardian.stdin.on("error", () => {});
  guardian.unref();
  guardian.stdin.unref?.();
  return { dismiss: () => guardian.kill("SIGKILL") };
}
