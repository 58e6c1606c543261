import { Counter, Gauge, Histogram, type Registry } from "@taskscheduler/runtime";

/** What is read when the metrics are asked for. */
export interface MetricSources {
  readonly alarms: () => Readonly<Record<"claim" | "run", number>>;
  readonly held: () => number;
  readonly runsWaiting: () => number;
  readonly runsInFlight: () => number;
  readonly targetHosts: () => number;
  readonly reportsPending: () => number;
  readonly clockOffsetMs: () => number;
  readonly leaseRemainingMs: () => number;
  readonly feedAgeMs: () => number;
  readonly feedRevision: () => number;
}

export interface SchedulerMetrics {
  /** `granted`, `refused`, `unknown` (no answer; asked for again). */
  readonly claims: Counter<"result">;
  /** `succeeded`, `failed`, `cancelled`. */
  readonly runs: Counter<"state">;
  /** `succeeded`, or how it failed: `response`, `connection`, `timeout`, `blocked`, `secret_unknown`, `aborted`. */
  readonly callSeconds: Histogram<"outcome">;
  /** `ahead`: claimed before its time; `late`: only after it (created late, caught up, taken over, run by hand). */
  readonly latenessSeconds: Histogram<"claimed">;
}

const latenessBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600];

const callBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600];

export function createSchedulerMetrics(registry: Registry): SchedulerMetrics {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[]): Counter<L> =>
    new Counter({ name: `taskscheduler_scheduler_${name}`, help, labelNames, registers });
  return {
    claims: counter("claims_total", "Occurrences that a claim was asked for, by what came of it.", ["result"]),
    runs: counter("runs_total", "Attempts that ended, by how.", ["state"]),
    callSeconds: new Histogram({
      name: "taskscheduler_scheduler_call_seconds",
      help: "How long calls of targets took, by what came of them.",
      labelNames: ["outcome"],
      buckets: callBuckets,
      registers,
    }),
    latenessSeconds: new Histogram({
      name: "taskscheduler_scheduler_lateness_seconds",
      help: "Start of an attempt less the time that it was due, by whether it was claimed ahead of that.",
      labelNames: ["claimed"],
      buckets: latenessBuckets,
      registers,
    }),
  };
}

export function collectFrom(registry: Registry, sources: MetricSources): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: `taskscheduler_scheduler_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  new Gauge({
    name: "taskscheduler_scheduler_alarms",
    help: "Alarms that are set, by what for.",
    labelNames: ["kind"],
    registers,
    collect() {
      for (const [kind, count] of Object.entries(sources.alarms())) this.set({ kind }, count);
    },
  });
  gauge("claims_held", "Claims from their grant to the acknowledged report.", sources.held);
  gauge("runs_waiting", "Executions that are due and have not started.", sources.runsWaiting);
  gauge("runs_in_flight", "Executions that call a target and have not ended.", sources.runsInFlight);
  gauge(
    "target_hosts",
    "Hosts that runs in flight or waiting call, or whose rate has not recovered.",
    sources.targetHosts,
  );
  gauge("reports_pending", "Executions that ended and whose report is not acknowledged.", sources.reportsPending);
  gauge("feed_age_seconds", "Time since the API last said that all that falls due soon has been told.", () => {
    return sources.feedAgeMs() / 1000;
  });
  gauge("feed_revision", "The revision of the change log that the feed has come to.", sources.feedRevision);
  gauge("clock_offset_seconds", "The database's clock less this machine's.", () => sources.clockOffsetMs() / 1000);
  gauge("lease_remaining_seconds", "How long executions may still start unless the lease is renewed.", () => {
    return sources.leaseRemainingMs() / 1000;
  });
}
