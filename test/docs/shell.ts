import { spawn, spawnSync } from "node:child_process";
import { root } from "./markdown.js";

export interface ShellResult {
  /** null: it was ended, as its output had come. */
  readonly code: number | null;
  readonly output: string;
}

export function isInstalled(command: string): boolean {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).error === undefined;
}

/**
 * Runs a command to its end, in the repository's root; or until its output shows what is awaited, for one that never
 * ends: then it is ended, with all that it has started.
 */
export function runShell(
  command: readonly [string, ...string[]],
  { until, timeoutMs }: { until?: RegExp; timeoutMs: number },
): Promise<ShellResult> {
  const [program, ...args] = command;
  const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], detached: true });
  return new Promise((resolve, reject) => {
    let output = "";
    const endAll = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // All of it has ended.
      }
    };
    const timer = setTimeout(endAll, timeoutMs);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        output += chunk;
        if (until?.test(output)) endAll();
      });
    }
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}
