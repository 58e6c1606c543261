import { ExecutionService, SchedulerService, TaskService } from "@taskscheduler/proto";
import { createMetrics, type Logger, type Part } from "@taskscheduler/runtime";
import { createBackend } from "./backend.js";
import { createCensus } from "./census.js";
import { createChangeLog } from "./changes/change-log.js";
import { purgeSegments } from "./changes/change-store.js";
import type { ApiConfig } from "./config.js";
import { createDamageLog } from "./database/damage-log.js";
import { createDatabase } from "./database/database.js";
import { createDatabaseClock } from "./database/database-clock.js";
import { createRetention } from "./database/retention.js";
import { purgeStats } from "./executions/execution-stats-store.js";
import { purgeExecutions } from "./executions/execution-store.js";
import { createFleet } from "./fleet/fleet.js";
import { purgeRegistrations } from "./fleet/fleet-store.js";
import { collectFrom, createApiMetrics } from "./metrics.js";
import { createServices } from "./services.js";
import { taskToProto } from "./tasks/task-mapper.js";
import { createTaskQueries } from "./tasks/task-query-store.js";
import { createGrpcServer } from "./transport/grpc-server.js";
import { createHttpServer } from "./transport/http-server.js";
import { purgeAnswers } from "./writes/request-store.js";
import { createWriteGroup } from "./writes/write-group.js";

const DAY_MS = 24 * 60 * 60 * 1000;
const REQUEST_RETENTION_MS = DAY_MS;
export interface App {
  /** In the order of starting. */
  readonly parts: readonly Part[];
  /** Readiness goes first, before anything stops. */
  onStopping(): void;
}

/** Puts the rooms together: the database and its log, the services on them, the policies around, the ports. */
export function createApp(config: ApiConfig, logger: Logger): App {
  const { registry } = createMetrics();
  const metrics = createApiMetrics(registry);

  const database = createDatabase({ url: config.databaseUrl, onDamage: createDamageLog(logger, registry) });
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
  const { databaseUrl, migrateOnStart, leaseMs, failpoints } = config;
  const backend = createBackend({
    ...{ database, clock, log, fleet, writes, retention, logger },
    ...{ databaseUrl, migrateOnStart },
  });
  const taskQueries = createTaskQueries(database, log);
  const { tasks, asListTasks, executions, scheduler } = createServices({
    ...{ database, clock, log, fleet, writes, taskQueries, registry, logger },
    ...{ leaseMs, failpoints },
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
  const isReady = () => !isStopping && backend.isReady();
  const publicServices = [
    { service: TaskService, impl: tasks },
    { service: ExecutionService, impl: executions },
  ];
  const grpcServer = createGrpcServer({
    host: config.host,
    port: config.grpcPort,
    services: [...publicServices, { service: SchedulerService, impl: scheduler }],
    isReady,
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
    isReady,
    registry,
    corsOrigins: config.corsOrigins,
    logger,
  });
  return {
    parts: [backend, together("ports", [grpcServer, httpServer])],
    onStopping() {
      isStopping = true;
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
