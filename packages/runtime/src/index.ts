export { Counter, Gauge, Histogram, Registry } from "prom-client";
export { z } from "zod";
export { aborted } from "./aborted.js";
export { Arrivals } from "./arrivals.js";
export { Backoff, type BackoffOptions, createBackoff } from "./backoff.js";
export { ConfigError, exitOnConfigError } from "./config-error.js";
export { parseEnvironment } from "./environment.js";
export { type Failpoint, failpointsInProduction, failpointsVariable, withFailpoints } from "./failpoints.js";
export { readFileAgain } from "./file-again.js";
export { HttpConnections, type HttpConnectionsOptions } from "./http-connections.js";
export { listenHttp } from "./http-listener.js";
export { LogPace, type LogPaceOptions } from "./log-pace.js";
export { createLogger, type Logger, type LoggerOptions } from "./logger.js";
export { createMetrics, type Metrics } from "./metrics.js";
export type { Part } from "./part.js";
export { PortError } from "./port-error.js";
export { createProbeHandler, type ProbeHandler, type ProbeHandlerOptions } from "./probe-handler.js";
export { createProbeServer, type ProbeServer, type ProbeServerOptions } from "./probe-server.js";
export { type ProcessOptions, runProcess } from "./process.js";
export { openProcessLog, type ProcessLog, type ProcessLogOptions } from "./process-log.js";
export type { ProcessSignals } from "./process-signals.js";
export { type Readiness, ReadinessLog, type ReadinessLogOptions } from "./readiness.js";
export { type Reloader, Reloaders, type ReloadOutcome } from "./reloaders.js";
export { sleep } from "./sleep.js";
export {
  certificatesVariable,
  fileVariable,
  flagVariable,
  hostVariable,
  integerVariable,
  logLevelVariable,
  millisecondsVariable,
  portVariable,
} from "./variables.js";
export { within } from "./within.js";
