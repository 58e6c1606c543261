import { execFileSync } from "node:child_process";

/**
 * Runs a TypeScript module in a Node.js process of its own, in the given time zone. The module finds `input` as a
 * global.
 *
 * @returns the JSON that the module prints
 */
export function runInOtherProcess(script: string, input: unknown, timeZone: string): unknown {
  const source = `import { readFileSync } from "node:fs"; const input = JSON.parse(readFileSync(0, "utf8")); ${script}`;
  const output = execFileSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", source], {
    input: JSON.stringify(input),
    env: { ...process.env, TZ: timeZone },
    encoding: "utf8",
    maxBuffer: 1 << 26,
    timeout: 60_000,
  });
  return JSON.parse(output);
}
