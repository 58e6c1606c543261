import { ConfigError, exitOnConfigError } from "@taskscheduler/runtime";
import { readDatabaseAddress } from "./config.js";
import { createConnector } from "./database/connector.js";
import { migrate } from "./database/migrations.js";
import { migrationsFolder } from "./migrations-folder.js";

/** `migrate.js [up|down]`: brings DATABASE_URL to the newest schema, or undoes one step. */
async function main(direction: string): Promise<void> {
  if (direction !== "up" && direction !== "down") throw new ConfigError(['the argument must be "up" or "down"']);
  const steps = await migrate(createConnector(readDatabaseAddress(process.env)), migrationsFolder, direction);
  process.stdout.write(steps.length === 0 ? "nothing to do\n" : steps.map((step) => `${direction} ${step}\n`).join(""));
}

try {
  await main(process.argv[2] ?? "up");
} catch (error) {
  if (error instanceof ConfigError) exitOnConfigError(error);
  process.stderr.write(`the migration failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
