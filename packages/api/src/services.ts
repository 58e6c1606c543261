import { fieldErrors } from "@taskscheduler/domain";
import { ExecutionService, SchedulerService, type Task, TaskSchema, TaskService } from "@taskscheduler/proto";
import { type Failpoint, type Logger, type Registry, withFailpoints } from "@taskscheduler/runtime";
import type { ChangeLog } from "./changes/change-log.js";
import type { Database } from "./database/database.js";
import type { DatabaseClock } from "./database/database-clock.js";
import { createExecutionQueries } from "./executions/execution-query-store.js";
import { createExecutionService } from "./executions/execution-service.js";
import type { Fleet } from "./fleet/fleet.js";
import { createSchedulerService } from "./fleet/scheduler-service.js";
import { callErrorOf } from "./policies/call-errors.js";
import { createCallLimit } from "./policies/call-limit.js";
import { createCallMetrics } from "./policies/call-metrics.js";
import { createOutageLog } from "./policies/outage-log.js";
import { callsOf, withPolicies } from "./policies/policies.js";
import { createRequestValidator, type RequestValidator } from "./policies/request-validator.js";
import { rpcStatusOf } from "./policies/rpc-status.js";
import { whileReady } from "./policies/while-ready.js";
import type { ReadinessWatch } from "./readiness-watch.js";
import { PLAIN_TASKS } from "./tasks/plain-tasks.js";
import type { TaskQueries } from "./tasks/task-query-store.js";
import { createTaskService } from "./tasks/task-service.js";
import { type WorkHealth, withWorkHealth } from "./work-health.js";
import type { WriteGroup } from "./writes/write-group.js";

/** What one process serves at once. A call takes some ten kilobytes; a watch that does not read, up to a megabyte. */
const MAX_CALLS = 20_000;
const MAX_WATCHES = 2_000;
const CATCH_UP_WINDOW_MS = 24 * 60 * 60 * 1000;
/** What is later than this is missed, unless the lease is longer. */
const MIN_MISSED_AFTER_MS = 5_000;

const CHANGES = "changes of tasks";
const USERS_WORK = {
  ...{ createTask: CHANGES, batchCreateTasks: CHANGES, updateTask: CHANGES, deleteTask: CHANGES },
  ...{ pauseTask: CHANGES, resumeTask: CHANGES, runTask: CHANGES },
};
const SCHEDULERS_WORK = {
  register: "registrations of schedulers",
  heartbeat: "heartbeats of schedulers",
  claimExecutions: "claims of schedulers",
  reportExecutions: "reports of schedulers",
};

export interface ServicesParts {
  readonly database: Database;
  readonly clock: DatabaseClock;
  readonly log: ChangeLog;
  readonly fleet: Fleet;
  readonly writes: WriteGroup;
  readonly taskQueries: TaskQueries;
  readonly leaseMs: number;
  readonly readinessWatch: ReadinessWatch;
  readonly failpoints: readonly Failpoint[];
  readonly health: WorkHealth;
  readonly registry: Registry;
  readonly logger: Logger;
}

/** The one implementation of each service, for every port, with the policies around it. */
export function createServices(parts: ServicesParts) {
  const { database, leaseMs, readinessWatch, failpoints, health, logger } = parts;
  const validator = createRequestValidator(PLAIN_TASKS);
  const metrics = createCallMetrics(parts.registry);
  const policies = { logger, metrics, validator, outages: createOutageLog(logger) };
  const limits = { unary: createCallLimit(MAX_CALLS, "calls"), streams: createCallLimit(MAX_WATCHES, "watches") };
  const limited = { ...policies, limits };
  const rules = { missedAfterMs: Math.max(leaseMs, MIN_MISSED_AFTER_MS), catchUpWindowMs: CATCH_UP_WINDOW_MS };

  const tasks = withWorkHealth(
    createTaskService({ ...parts, queries: parts.taskQueries, ...batchJudges(validator, logger) }),
    health,
    { kinds: USERS_WORK, countsDefects: false },
  );
  const executions = createExecutionService({ ...parts, queries: createExecutionQueries(database) });
  const scheduler = withWorkHealth(createSchedulerService({ ...parts, rules }), health, {
    kinds: SCHEDULERS_WORK,
    countsDefects: true,
  });
  return {
    tasks: withPolicies(TaskService, withFailpoints(tasks, failpoints), limited),
    /** For REST's list, which skips tasks, as ListTasks does not: it is one of its calls all the same. */
    asListTasks: callsOf(TaskService.method.listTasks, limited),
    executions: withPolicies(ExecutionService, withFailpoints(executions, failpoints), limited),
    // Schedulers' calls have no limit, because runs depend on them.
    scheduler: withPolicies(
      SchedulerService,
      whileReady(SchedulerService, withFailpoints(scheduler, failpoints), () => readinessWatch.lost),
      policies,
    ),
  };
}

/** A batch's tasks are judged one by one, by the same rules and with the same errors as calls. */
function batchJudges(validator: RequestValidator, logger: Logger) {
  const call = { signal: new AbortController().signal, requestHeader: new Headers() };
  return {
    validateTask(task: Task, path: string) {
      const violations = validator.violations(TaskSchema, task);
      const error = fieldErrors(violations.map((violation) => ({ ...violation, field: `${path}.${violation.field}` })));
      if (error !== undefined) throw error;
    },
    statusOf: (error: unknown) => rpcStatusOf(callErrorOf(error, call, logger)),
  };
}
