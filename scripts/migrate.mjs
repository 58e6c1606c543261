import { build } from "./build.mjs";
import { ensureDependencies } from "./dependencies.mjs";
import { Fault, runMain } from "./fault.mjs";
import { run } from "./run.mjs";

const migrateTimeoutMs = 3_600_000;

await runMain(async () => {
  const { DATABASE_URL, DATABASE_URL_FILE } = process.env;
  if (!DATABASE_URL && !DATABASE_URL_FILE) {
    throw new Fault("DATABASE_URL is missing: mariadb://user:password@host:port/database", { exitCode: 78 });
  }
  await ensureDependencies();
  await build();
  const args = ["packages/api/dist/migrate.js", ...process.argv.slice(2)];
  const { code } = await run(process.execPath, args, { env: process.env, timeoutMs: migrateTimeoutMs });
  return code;
});
