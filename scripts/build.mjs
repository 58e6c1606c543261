import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureDependencies } from "./dependencies.mjs";
import { Fault, runMain } from "./fault.mjs";
import { generate } from "./generate.mjs";
import { acquireLock } from "./lock.mjs";
import { cacheDir } from "./paths.mjs";
import { ensureRedocBundle } from "./redoc-bundle.mjs";
import { run } from "./run.mjs";

/**
 * Compiles what changed. The dependencies must be there.
 *
 * @throws {Fault} where the protos or the sources are wrong
 */
export async function build() {
  const lock = await acquireLock(join(cacheDir, "build.lock"), { waitMs: 300_000 });
  if (!lock) throw new Fault("Another process has been building for five minutes; end it and try again.");
  try {
    await generate();
    const { code, output } = await run("tsc", ["-b", "--pretty", "false"], { capture: true });
    if (code !== 0) throw new Fault(`The build failed:\n${output.trimEnd()}`);
    ensureRedocBundle();
  } finally {
    lock.release();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await runMain(async () => {
    await ensureDependencies();
    await build();
  });
}
