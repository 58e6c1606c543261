import type { Logger } from "@taskscheduler/runtime";
import type { HeldClaim, Outcome } from "../claims/held-claim.js";
import type { HeldClaims } from "../claims/held-claims.js";
import type { Timekeeper } from "../lease/timekeeper.js";
import type { SchedulerMetrics } from "../metrics.js";
import type { Reporter } from "../reporter/reporter.js";
import type { Lane } from "./call-lanes.js";
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
  readonly logger: Logger;
}

interface Options extends ExecutionRunnerOptions {
  /** When the log last told of a failure that is an operator's to see to. */
  readonly operatorsTold: Map<string, number>;
}

const toldAgainAfterMs = 60_000;
/** What takes longer is told to have begun: shorter runs are told once, when they have ended. */
const begunAfterMs = 250;

/** Runs claims whose time has come, and hands on how they ended. */
export function createExecutionRunner(options: ExecutionRunnerOptions): RunQueue<HeldClaim> {
  const { limits, mayStart, timekeeper } = options;
  const all: Options = { ...options, operatorsTold: new Map() };
  return new RunQueue<HeldClaim>({
    limits,
    laneOf,
    isWanted: ({ state }) => state === "due",
    isOpen: mayStart,
    run: (claim) => execute(claim, all),
    nowMs: () => timekeeper.monotonicMs(),
  });
}

/** What cannot be called at all is told so at once. */
function laneOf({ taskId, host }: HeldClaim): Lane | undefined {
  return host === undefined ? undefined : { host, taskId };
}

async function execute(claim: HeldClaim, options: Options): Promise<void> {
  const { held, timekeeper, runner, reporter, metrics } = options;
  const nowMs = timekeeper.nowMs();
  if (nowMs < claim.runTimeMs) return held.postpone(claim);
  if (!held.start(claim, Math.floor(nowMs))) return;
  const timer = claim.target === undefined ? undefined : setTimeout(() => reporter.begun(claim), begunAfterMs);
  const outcome = await runner.run(claim);
  clearTimeout(timer);
  held.end(claim, outcome);
  reporter.report(claim);
  if (claim.target !== undefined) {
    metrics.callSeconds.observe({ outcome: outcomeOf(outcome) }, tookMs(outcome) / 1000);
    tellFailure(claim, outcome, options);
  }
  metrics.runs.inc({ state: outcome.state.toLowerCase() });
  const latenessMs = outcome.startTimeMs - claim.runTimeMs;
  metrics.latenessSeconds.observe({ claimed: claim.isAhead ? "ahead" : "late" }, latenessMs / 1000);
}

function outcomeOf({ state, failure }: Outcome): string {
  if (state === "CANCELLED") return "aborted";
  return state === "SUCCEEDED" ? "succeeded" : failure.toLowerCase();
}

function tookMs({ startTimeMs, endTimeMs }: Outcome): number {
  return endTimeMs - startTimeMs;
}

/** Failures are the ledger's to tell; of those that an operator must see to, the log has one a minute. */
function tellFailure({ key, attempt }: HeldClaim, { failure, error }: Outcome, options: Options): void {
  if (failure === "NONE") return;
  const { logger, operatorsTold, timekeeper } = options;
  const nowMs = timekeeper.monotonicMs();
  const isOperators = failure === "BLOCKED" || failure === "SECRET_UNKNOWN";
  const isDue = isOperators && nowMs - (operatorsTold.get(failure) ?? Number.NEGATIVE_INFINITY) >= toldAgainAfterMs;
  if (isDue) operatorsTold.set(failure, nowMs);
  logger[isDue ? "warn" : "debug"]({ execution: key, attempt, failure, error }, "a call failed");
}
