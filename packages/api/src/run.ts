import { createLogger, exitOnConfigError, runProcess } from "@taskscheduler/runtime";
import { createApp } from "./app.js";
import { type ApiConfig, readConfig } from "./config.js";

/** Runs the API until a signal ends it; never resolves. A fault in the environment ends the process with 78. */
export async function run(): Promise<void> {
  const settings = config();
  const logger = createLogger({ name: "api", level: settings.logLevel });
  const app = createApp(settings, logger);
  await runProcess({
    logger,
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
