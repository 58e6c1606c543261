import {
  createLogger,
  createMetrics,
  createProbeServer,
  exitOnConfigError,
  ReadinessLog,
  runProcess,
} from "@taskscheduler/runtime";
import { createScheduler } from "./app.js";
import { readConfig, type SchedulerConfig } from "./config.js";

/** Runs the scheduler until a signal ends it; never resolves. A fault in the environment ends the process with 78. */
export async function run(): Promise<void> {
  const { host, httpPort, logLevel, shutdownGraceMs, ...settings } = config();
  const logger = createLogger({ name: "scheduler", level: logLevel });
  const { registry } = createMetrics();
  const scheduler = createScheduler({ ...settings, shutdownGraceMs, logger, registry });
  let isStopping = false;
  const readiness = () => (isStopping ? ["the process is stopping"] : scheduler.readiness());
  const readinessLog = new ReadinessLog({ readiness, logger });
  const probes = createProbeServer({ host, port: httpPort, readiness, registry, logger });
  await runProcess({
    logger,
    shutdownGraceMs,
    parts: [readinessLog, probes, scheduler],
    onStopping: () => {
      isStopping = true;
      void readinessLog.stop();
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
