import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { guard } from "./guardian.mjs";

/** sysexits.h EX_CONFIG: the environment is wrong, and trying again changes nothing. */
export const configurationExitCode = 78;

const firstBackoffMs = 500;
const longestBackoffMs = 10_000;
/** One that lived this long before it died begins with the first backoff again. */
const steadyMs = 60_000;

/**
 * Runs one of our processes and starts it again when it dies by itself, waiting longer each time. Its output is passed through.
 *
 * @param {{ name: string, command: string, args: string[], env: NodeJS.ProcessEnv, log: (line: string) => void }} options
 * @returns {{ pid: number | undefined, failed: Promise<number>, stop: (timeoutMs: number) => Promise<number | null>, kill: () => void }}
 *   failed: resolves to the exit code where trying again is useless. stop: SIGTERM, then SIGKILL; resolves to the exit code, null
 *   where it had to be killed; called twice, it does it once
 */
export function superviseChild({ name, command, args, env, log }) {
  const stopping = new AbortController();
  let current;
  let giveUp;
  const failed = new Promise((resolve) => {
    giveUp = resolve;
  });
  const live = async () => {
    let backoffMs = firstBackoffMs;
    while (!stopping.signal.aborted) {
      const startedAt = performance.now();
      current = launch(command, args, env);
      const { code, signal } = await current.ended;
      if (stopping.signal.aborted) return code;
      if (code === configurationExitCode) {
        giveUp(code);
        return code;
      }
      if (performance.now() - startedAt > steadyMs) backoffMs = firstBackoffMs;
      log(`The ${name} ended by itself (${signal ?? `exit code ${code}`}); it is started again in ${backoffMs} ms.`);
      await delay(backoffMs, undefined, { signal: stopping.signal }).catch(() => {});
      backoffMs = Math.min(2 * backoffMs, longestBackoffMs);
    }
    return 0;
  };
  const lived = live();
  return {
    get pid() {
      return current.child.pid;
    },
    failed,
    kill: () => current.child.kill("SIGKILL"),
    async stop(timeoutMs) {
      stopping.abort();
      current.child.kill("SIGTERM");
      const timer = setTimeout(() => current.child.kill("SIGKILL"), timeoutMs);
      const code = await lived;
      clearTimeout(timer);
      return code ?? null;
    },
  };
}

/** In a session of its own: Ctrl-C in a terminal goes to a whole group, and who ends first is not the terminal's to say. */
function launch(command, args, env) {
  const child = spawn(command, args, { env, stdio: ["ignore", "inherit", "inherit"], detached: true });
  const guardian = child.pid === undefined ? undefined : guard([child.pid]);
  const ended = once(child, "exit").then(
    ([code, signal]) => ({ code, signal }),
    () => ({ code: 127, signal: null }),
  );
  ended.then(() => guardian?.dismiss());
  return { child, ended };
}
