import { createLogger, exitOnConfigError, runProcess } from "@taskscheduler/runtime";
import { createApp } from "./app.js";
import { type ApiConfig, readConfig } from "./config.js";

function config(): ApiConfig {
  try {
    return readConfig(process.env);
  } catch (error) {
    exitOnConfigError(error);
  }
}

const settings = config();
const logger = createLogger({ name: "api", level: settings.logLevel });
const app = createApp(settings, logger);
await runProcess({
  logger,
  shutdownGraceMs: settings.shutdownGraceMs,
  parts: app.parts,
  onStopping: () => app.onStopping(),
});
