import { ConfigError, exitOnConfigError } from "@taskscheduler/runtime";
import { readDatabaseAddress } from "./config.js";
import { createConnector } from "./database/connector.js";
import { DatabaseRefusal } from "./database/database-refusal.js";
import { migrate } from "./database/migrations/migrate.js";
import { migrationsFolder } from "./migrations-folder.js";

/** Another migrator may rebuild a large table for long. */
const WAIT_SECONDS = 3_600;

/** `migrate.js [up|down]`: brings DATABASE_URL to the newest schema, or undoes one step. */
async function main(direction: string): Promise<void> {
  if (direction !== "up" && direction !== "down") throw new ConfigError(['the argument must be "up" or "down"']);
  const connect = createConnector(readDatabaseAddress(process.env));
  const steps = await migrate(connect, migrationsFolder, direction, { waitSeconds: WAIT_SECONDS });
  process.stdout.write(steps.length === 0 ? "nothing to do\n" : steps.map((step) => `${direction} ${step}\n`).join(""));
}

/** sysexits.h EX_CONFIG, as for a wrong variable: trying again does not help. */
const EXIT_CODE_REFUSED = 78;

try {
  await main(process.argv[2] ?? "up");
} catch (error) {
  if (error instanceof ConfigError) exitOnConfigError(error);
  const isRefused = error instanceof DatabaseRefusal;
  process.stderr.write(`the migration failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = isRefused ? EXIT_CODE_REFUSED : 1;
}
