import type { HeldClaim } from "../claims/held-claim.js";
import type { HeldClaims } from "../claims/held-claims.js";
import type { Timekeeper } from "../lease/timekeeper.js";
import type { SchedulerMetrics } from "../metrics.js";
import type { Reporter } from "../reporter/reporter.js";
import type { RunLimits } from "./run-limits.js";
import { RunQueue } from "./run-queue.js";
import type { Runner } from "./runner.js";

export interface ExecutionRunnerOptions {
  readonly limits: RunLimits;
  /** Whether anything may start at this moment. */
  readonly mayStart: () => boolean;
  readonly held: HeldClaims;
  readonly timekeeper: Timekeeper;
  readonly runner: Runner;
  readonly reporter: Reporter;
  readonly metrics: SchedulerMetrics;
}

/** Runs claims whose time has come, and hands on how they ended. */
export function createExecutionRunner(options: ExecutionRunnerOptions): RunQueue<HeldClaim> {
  const { limits, mayStart, timekeeper } = options;
  return new RunQueue<HeldClaim>({
    limits,
    // Every run is a reminder.
    laneOf: () => undefined,
    isWanted: ({ state }) => state === "due",
    isOpen: mayStart,
    run: (claim) => execute(claim, options),
    nowMs: () => timekeeper.monotonicMs(),
  });
}

async function execute(claim: HeldClaim, options: ExecutionRunnerOptions): Promise<void> {
  const { held, timekeeper, runner, reporter, metrics } = options;
  if (timekeeper.nowMs() < claim.scheduledTimeMs) return held.postpone(claim);
  if (!held.start(claim)) return;
  const outcome = await runner.run(claim);
  held.end(claim, outcome);
  reporter.report(claim);
  metrics.runs.inc({ state: outcome.succeeded ? "succeeded" : "failed" });
  const latenessMs = outcome.startTimeMs - claim.scheduledTimeMs;
  metrics.latenessSeconds.observe({ claimed: claim.isAhead ? "ahead" : "late" }, latenessMs / 1000);
}
