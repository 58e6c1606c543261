import { join } from "node:path";
import { ensureDependencies } from "./dependencies.mjs";
import { runMain } from "./fault.mjs";
import { root } from "./paths.mjs";
import { run } from "./run.mjs";

const benchTimeoutMs = 3_600_000;

/** The bench itself is TypeScript, and needs what is installed; the peers of --peers have a manifest of their own. */
await runMain(async () => {
  const args = process.argv.slice(2);
  const peers = args.includes("--peers");
  await ensureDependencies();
  if (peers) await ensureDependencies({ dir: join(root, "bench/peers") });
  const { code } = await run("tsx", [peers ? "bench/peers/main.ts" : "bench/main.ts", ...args], {
    timeoutMs: benchTimeoutMs,
  });
  return code;
});
