import {
  createMetrics,
  exitOnConfigError,
  openProcessLog,
  type ProcessSignals,
  Reloaders,
  runProcess,
} from "@taskscheduler/runtime";
import { createApp } from "./app.js";
import { type ApiConfig, readConfig } from "./config.js";
import { createDatabaseUrlFile } from "./database-url-file.js";

/** Runs the API until a signal ends it; never resolves. A fault in the environment ends the process with 78. */
export async function run(signals: ProcessSignals): Promise<void> {
  const settings = config();
  const log = openProcessLog({ name: "api", level: settings.logLevel });
  const { logger } = log;
  const { registry } = createMetrics();
  log.measure(registry);
  const reloaders = new Reloaders(logger);
  const { database, databaseUrlFile } = settings;
  if (databaseUrlFile !== undefined) reloaders.add(createDatabaseUrlFile(databaseUrlFile, database));
  const app = createApp(settings, logger, registry);
  await runProcess({
    logger,
    signals,
    reloaders,
    shutdownGraceMs: settings.shutdownGraceMs,
    parts: app.parts,
    onStopping: () => app.onStopping(),
  });
}

function config(): ApiConfig {
  try {
    return readConfig(process.env);
  } catch (error) {
    exitOnConfigError(error);
  }
}
