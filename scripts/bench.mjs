import { ensureDependencies } from "./dependencies.mjs";
import { runMain } from "./fault.mjs";
import { run } from "./run.mjs";

const benchTimeoutMs = 3_600_000;

/** The bench itself is TypeScript, and needs what is installed. */
await runMain(async () => {
  await ensureDependencies();
  const { code } = await run("tsx", ["bench/main.ts", ...process.argv.slice(2)], { timeoutMs: benchTimeoutMs });
  return code;
});
