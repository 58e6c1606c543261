import {
  createMetrics,
  createProbeServer,
  exitOnConfigError,
  openProcessLog,
  type ProcessSignals,
  ReadinessLog,
  Reloaders,
  runProcess,
} from "@taskscheduler/runtime";
import { createScheduler } from "./app.js";
import { readConfig, type SchedulerConfig } from "./config.js";
import type { WebhookSecrets } from "./targets/webhook-secrets.js";
import { WebhookSecretsFile } from "./targets/webhook-secrets-file.js";

/** Runs the scheduler until a signal ends it; never resolves. A fault in the environment ends the process with 78. */
export async function run(signals: ProcessSignals): Promise<void> {
  const { host, httpPort, logLevel, shutdownGraceMs, webhookSecretsFile, ...settings } = config();
  const log = openProcessLog({ name: "scheduler", level: logLevel });
  const { logger } = log;
  const { registry } = createMetrics();
  log.measure(registry);
  const reloaders = new Reloaders(logger);
  let webhookSecrets: WebhookSecrets = settings.webhookSecrets;
  if (webhookSecretsFile !== undefined) {
    const file = new WebhookSecretsFile(webhookSecretsFile, settings.webhookSecrets);
    reloaders.add(file);
    webhookSecrets = file;
  }
  const scheduler = createScheduler({ ...settings, webhookSecrets, shutdownGraceMs, logger, registry });
  let isStopping = false;
  const readiness = () => (isStopping ? ["the process is stopping"] : scheduler.readiness());
  const readinessLog = new ReadinessLog({ readiness, logger });
  const probes = createProbeServer({ host, port: httpPort, readiness, registry, logger });
  await runProcess({
    logger,
    signals,
    reloaders,
    shutdownGraceMs,
    parts: [readinessLog, probes, scheduler],
    onStopping: () => {
      isStopping = true;
      void readinessLog.stop();
      probes.onStopping();
    },
  });
}

function config(): SchedulerConfig {
  try {
    return readConfig(process.env);
  } catch (error) {
    exitOnConfigError(error);
  }
}
