import { ExecutionService, SchedulerService, TaskService } from "@taskscheduler/proto";
import { type Logger, type Part, ReadinessLog, type Registry } from "@taskscheduler/runtime";
import { createBackend } from "./backend.js";
import { createCensus } from "./census.js";
import { createChangeLog } from "./changes/change-log.js";
import { purgeSegments } from "./changes/change-store.js";
import type { ApiConfig } from "./config.js";
import { createConnector } from "./database/connector.js";
import { createDamageLog } from "./database/damage-log.js";
import { createDatabase } from "./database/database.js";
import { createDatabaseClock } from "./database/database-clock.js";
import { createRetention } from "./database/retention.js";
import { purgeStats } from "./executions/execution-stats-store.js";
import { purgeExecutions } from "./executions/execution-store.js";
import { createFleet } from "./fleet/fleet.js";
import { purgeRegistrations } from "./fleet/fleet-store.js";
import { collectFrom, createApiMetrics } from "./metrics.js";
import { ReadinessWatch } from "./readiness-watch.js";
import { createServices } from "./services.js";
import { taskToProto } from "./tasks/task-mapper.js";
import { createTaskQueries } from "./tasks/task-query-store.js";
import { createGrpcServer } from "./transport/grpc-server.js";
import { createHttpServer } from "./transport/http-server.js";
import { WorkHealth } from "./work-health.js";
import { purgeAnswers } from "./writes/request-store.js";
import { createWriteGroup } from "./writes/write-group.js";

const DAY_MS = 24 * 60 * 60 * 1000;
const REQUEST_RETENTION_MS = DAY_MS;
/** How long a stopping API accepts connections, for balancers that do not know yet; a share of a short grace. */
const MAX_ACCEPT_MS = 2_000;
const ACCEPT_SHARE = 0.25;

export interface App {
  /** In the order of starting. */
  readonly parts: readonly Part[];
  /** Readiness goes first, before anything stops. */
  onStopping(): void;
}

/** Puts the rooms together: the database and its log, the services on them, the policies around, the ports. */
export function createApp(config: ApiConfig, logger: Logger, registry: Registry): App {
  const metrics = createApiMetrics(registry);

  const connect = createConnector(config.database);
  const database = createDatabase({ connect, onDamage: createDamageLog(logger, registry) });
  const clock = createDatabaseClock(database);
  const log = createChangeLog(database, logger);
  const writes = createWriteGroup({
    ...{ database, clock, logger },
    onCommit(segments) {
      log.offer(segments);
      metrics.committed(segments);
    },
    onGroup: metrics.groupWritten,
  });
  const fleet = createFleet(database, config.leaseMs, logger);
  const retention = createRetention(database, clock, retentionRules(config), logger);
  const { migrateOnStart, leaseMs, failpoints } = config;
  const backend = createBackend({
    ...{ database, clock, log, fleet, writes, retention, logger },
    ...{ connect, migrateOnStart },
  });
  const health = new WorkHealth();
  const readinessWatch = new ReadinessWatch(() => backend.readiness().length === 0);
  const taskQueries = createTaskQueries(database, log);
  const { tasks, asListTasks, executions, scheduler } = createServices({
    ...{ database, clock, log, fleet, writes, taskQueries, health, registry, logger },
    ...{ leaseMs, readinessWatch, failpoints },
  });

  const census = createCensus(database, logger);
  collectFrom(registry, {
    changeLogRevision: log.head,
    clockOffsetMs: clock.offsetMs,
    writesWaiting: writes.waiting,
    oldestWriteWaitMs: writes.oldestWaitMs,
    schedulers: () => fleet.incarnations().length,
    connections: database.connections,
    counts: () => census.latest(),
  });

  let isStopping = false;
  const readiness = () => {
    if (isStopping) return ["the process is stopping"];
    const reasons = backend.readiness();
    if (reasons.length > 0) health.clear();
    return [...reasons, ...health.reasons()];
  };
  const readinessLog = new ReadinessLog({ readiness, logger });
  const acceptMs = Math.min(MAX_ACCEPT_MS, config.shutdownGraceMs * ACCEPT_SHARE);
  const publicServices = [
    { service: TaskService, impl: tasks },
    { service: ExecutionService, impl: executions },
  ];
  const grpcServer = createGrpcServer({
    host: config.host,
    port: config.grpcPort,
    services: [...publicServices, { service: SchedulerService, impl: scheduler }],
    isReady: () => readiness().length === 0,
    maxConnectionAgeMs: config.maxConnectionAgeMs,
    acceptMs,
    logger,
  });
  const httpServer = createHttpServer({
    host: config.host,
    port: config.httpPort,
    services: publicServices,
    rest: {
      tasks,
      nowMs: () => clock.nowMs(),
      page: (skip, limit, context) =>
        asListTasks(context, async () => {
          return (await taskQueries.skip(skip, limit, context.signal)).map((row) => taskToProto(row));
        }),
    },
    readiness,
    registry,
    corsOrigins: config.corsOrigins,
    maxConnectionAgeMs: config.maxConnectionAgeMs,
    acceptMs,
    logger,
  });
  return {
    parts: [readinessLog, backend, readinessWatch, together("ports", [grpcServer, httpServer])],
    onStopping() {
      isStopping = true;
      void readinessLog.stop();
      grpcServer.setServing(false);
    },
  };
}

/** Parts that start and stop at one time: neither port serves on while the other still ends its calls. */
function together(name: string, parts: readonly Part[]): Part {
  return {
    name,
    async start(signal) {
      for (const part of parts) await part.start(signal);
    },
    async stop(signal) {
      await Promise.all(parts.map((part) => part.stop(signal)));
    },
  };
}

function retentionRules(config: ApiConfig) {
  return [
    { name: "changes", retentionMs: config.changeRetentionMs, purge: purgeSegments },
    { name: "executions", retentionMs: config.executionRetentionMs, purge: purgeExecutions },
    { name: "execution stats", retentionMs: config.executionRetentionMs, purge: purgeStats },
    { name: "requests", retentionMs: REQUEST_RETENTION_MS, purge: purgeAnswers },
    { name: "registrations", retentionMs: DAY_MS, purge: purgeRegistrations },
  ];
}
