import { spawn } from "node:child_process";
import { delimiter } from "node:path";
import { Fault } from "./fault.mjs";
import { binDir, root } from "./paths.mjs";

/** The environment of every tool: ours on the PATH before the machine's. */
export function toolEnv(env = process.env) {
  return { ...env, PATH: `${binDir}${delimiter}${env.PATH ?? ""}` };
}

/**
 * Runs a command to its end.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs?: number, capture?: boolean, signal?: AbortSignal }} [options]
 *   capture: keep both outputs, in their order, instead of passing them through. timeoutMs: default ten minutes, then SIGKILL
 * @returns {Promise<{ code: number, output: string }>} code 127 where the command is not there, 128 where a signal ended it
 */
export function run(command, args, { cwd = root, env = toolEnv(), timeoutMs = 600_000, capture = false, signal } = {}) {
  return new Promise((resolve) => {
    const stdio = capture ? ["ignore", "pipe", "pipe"] : ["ignore", "inherit", "inherit"];
    const child = spawn(command, args, { cwd, env, stdio, killSignal: "SIGKILL", signal });
    // Not spawn's own timeout: it is not cleared where the command is missing, and would keep this process alive until then.
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    const end = (code, message = "") => {
      clearTimeout(timer);
      resolve({ code, output: output + message });
    };
    let output = "";
    const keep = (chunk) => {
      output += chunk;
    };
    child.stdout?.setEncoding("utf8").on("data", keep);
    child.stderr?.setEncoding("utf8").on("data", keep);
    child.on("error", (error) => end(127, error.message));
    child.on("close", (code) => end(code ?? 128));
  });
}

/** As run, but anything else than exit code 0 is a fault that shows the output. */
export async function mustRun(command, args, options) {
  const { code, output } = await run(command, args, options);
  if (code !== 0)
    throw new Fault(`${[command, ...args].join(" ")} failed (exit code ${code})\n${output.slice(-4000)}`.trimEnd());
  return output;
}
