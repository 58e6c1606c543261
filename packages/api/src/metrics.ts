import { ExecutionState } from "@taskscheduler/proto";
import { Counter, Gauge, Histogram, type Registry } from "@taskscheduler/runtime";
import type { Counts } from "./census.js";
import type { ChangeSegment } from "./changes/change-event.js";

/** What is read when the metrics are asked for. */
export interface MetricSources {
  readonly changeLogRevision: () => number;
  readonly clockOffsetMs: () => number;
  readonly writesWaiting: () => number;
  readonly oldestWriteWaitMs: () => number;
  readonly schedulers: () => number;
  readonly counts: () => Counts | undefined;
  readonly connections: () => { readonly open: number; readonly waiting: number };
}

export interface ApiMetrics {
  /** Called with what each transaction of this process wrote. */
  committed(segments: readonly ChangeSegment[]): void;
  groupWritten(size: number): void;
}

const GROUP_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

export function createApiMetrics(registry: Registry): ApiMetrics {
  const registers = [registry];
  const groupSize = new Histogram({
    name: "taskscheduler_api_write_group_size",
    help: "Requests that were written in one transaction.",
    buckets: GROUP_SIZES,
    registers,
  });
  const executions = new Counter({
    name: "taskscheduler_api_execution_changes_total",
    help: "Executions that came into a state, by the state, written by this process.",
    labelNames: ["state"],
    registers,
  });
  const tasks = new Counter({
    name: "taskscheduler_api_task_changes_total",
    help: "Tasks that users created, changed or deleted, written by this process.",
    registers,
  });
  return {
    groupWritten: (size) => groupSize.observe(size),
    committed(segments) {
      for (const { events } of segments) {
        for (const event of events) {
          if (event.kind === "TASK") tasks.inc();
          else if (event.change.execution !== undefined) {
            executions.inc({ state: ExecutionState[event.change.execution.state] ?? "UNSPECIFIED" });
          }
        }
      }
    },
  };
}

export function collectFrom(registry: Registry, sources: MetricSources): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: `taskscheduler_api_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  const byState = (name: string, help: string, pick: (counts: Counts) => ReadonlyMap<string, number>): void => {
    new Gauge({
      name: `taskscheduler_api_${name}`,
      help,
      labelNames: ["state"],
      registers: [registry],
      collect() {
        this.reset();
        const counts = sources.counts();
        if (counts !== undefined) for (const [state, count] of pick(counts)) this.set({ state }, count);
      },
    });
  };
  byState("tasks", "Tasks in the database, by state, counted every half minute at most.", ({ tasks }) => tasks);
  byState(
    "unfinished_executions",
    "Executions in the database that have not ended, by state, counted every half minute at most.",
    (counts) => counts.unfinishedExecutions,
  );
  gauge("change_log_revision", "The newest revision that watchers may see.", sources.changeLogRevision);
  gauge("clock_offset_seconds", "The database's clock less this machine's.", () => sources.clockOffsetMs() / 1000);
  gauge("writes_waiting", "Rows of the requests that wait for a transaction.", sources.writesWaiting);
  gauge("oldest_write_wait_seconds", "How long the oldest write has waited for its commit; 0: none waits.", () => {
    return sources.oldestWriteWaitMs() / 1000;
  });
  gauge("schedulers", "Registrations of schedulers that have not ended.", sources.schedulers);
  gauge("database_connections", "Open connections of the pool.", () => sources.connections().open);
  gauge("database_waiters", "Requests that wait for a connection.", () => sources.connections().waiting);
}
