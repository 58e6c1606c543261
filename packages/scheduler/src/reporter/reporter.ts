import { AttemptFailure, ExecutionState } from "@taskscheduler/proto";
import { createBackoff, type Logger } from "@taskscheduler/runtime";
import type { ApiClient } from "../api-client/api-client.js";
import { ApiError, failureLevel, internalCode, verdictOn } from "../api-client/api-error.js";
import { Batcher, sendApart } from "../api-client/batcher.js";
import type { HeldClaim } from "../claims/held-claim.js";
import type { HeldClaims } from "../claims/held-claims.js";
import type { Session } from "../lease/session.js";

const maxReportsPerCall = 500;
const maxCallsInFlight = 4;
const deadlineMs = 5_000;
const longestError = 1_000;

export interface ReporterOptions {
  readonly client: ApiClient;
  readonly session: Session;
  readonly held: HeldClaims;
  readonly logger: Logger;
}

/** Tells the API how claims ended, until it has acknowledged each. Bounded by the claims that are held. */
export interface Reporter {
  report(claim: HeldClaim): void;
  /** That a run began, and may take a while: for users to see. Told as long as it runs. */
  begun(claim: HeldClaim): void;
  /** There is an incarnation to report for. */
  resume(): void;
  stop(): void;
}

export function createReporter(options: ReporterOptions): Reporter {
  const { session, held, logger } = options;
  const giveUp = (claim: HeldClaim, err: unknown): void => {
    logger.error({ err, execution: claim.key }, "the API refuses to judge a report");
    held.reported(claim, claim.fence);
  };
  const batcher = new Batcher<HeldClaim>({
    maxItems: maxReportsPerCall,
    maxInFlight: maxCallsInFlight,
    backoff: createBackoff({ initialMs: 20, maxMs: 1_000 }),
    isOpen: () => session.incarnation !== undefined,
    isWanted: (claim) => claim.state === "ended",
    send: (claims) => sendApart(claims, (part) => reportOnce(part, options), verdictOn, giveUp),
    onFailure: (err) => logger[failureLevel(err)]({ err }, "reports will be sent again"),
  });
  const beginnings = new Batcher<HeldClaim>({
    maxItems: maxReportsPerCall,
    maxInFlight: 1,
    backoff: createBackoff({ initialMs: 100, maxMs: 5_000 }),
    isOpen: () => session.incarnation !== undefined,
    isWanted: (claim) => claim.state === "running",
    send: (claims) => tellBegun(claims, options),
    onFailure: (err) => logger[failureLevel(err)]({ err }, "that runs have begun will be told again"),
  });
  return {
    report: (claim) => batcher.add(claim),
    begun: (claim) => beginnings.add(claim),
    resume: () => {
      batcher.flush();
      beginnings.flush();
    },
    stop: () => {
      batcher.stop();
      beginnings.stop();
    },
  };
}

/** @throws ApiError when it is not known what became of the reports */
async function reportOnce(
  claims: readonly HeldClaim[],
  { client, session, held, logger }: ReporterOptions,
): Promise<void> {
  const incarnation = session.requireIncarnation();
  const sent = claims.map((claim) => ({ claim, fence: claim.fence }));
  try {
    const { accepted } = await client.reportExecutions({ incarnation, reports: claims.map(reportOf) }, { deadlineMs });
    if (accepted.length !== claims.length) throw new ApiError(internalCode, "an answer lacks results");
    for (const [index, { claim, fence }] of sent.entries()) {
      if (accepted[index] === false) {
        logger.warn({ execution: claim.key, fence }, "a report was refused: the claim is another's by now");
      }
      held.reported(claim, fence);
    }
  } catch (error) {
    session.onCallFailed(incarnation, error);
    throw error;
  }
}

/** What the API makes of it is its affair: how the run ends is what counts. @throws ApiError when it was not told */
async function tellBegun(claims: readonly HeldClaim[], { client, session, logger }: ReporterOptions): Promise<void> {
  const incarnation = session.requireIncarnation();
  const reports = claims.map(({ taskId, scheduledTimeMs, fence, startTimeMs }) => {
    const atMs = BigInt(startTimeMs);
    const state = ExecutionState.RUNNING;
    return { taskId, scheduledTimeMs: BigInt(scheduledTimeMs), fence, state, startTimeMs: atMs, endTimeMs: atMs };
  });
  try {
    await client.reportExecutions({ incarnation, reports }, { deadlineMs });
  } catch (error) {
    session.onCallFailed(incarnation, error);
    if (!ApiError.from(error).isPermanent) throw error;
    logger.error({ err: error }, "the API refuses to judge that runs have begun");
  }
}

function reportOf({ taskId, scheduledTimeMs, fence, outcome }: HeldClaim) {
  if (outcome === undefined) throw new Error("a claim that has not ended is reported");
  const { state, startTimeMs, endTimeMs, error, failure, httpStatus, retryAfterMs } = outcome;
  return {
    taskId,
    scheduledTimeMs: BigInt(scheduledTimeMs),
    fence,
    state: ExecutionState[state],
    startTimeMs: BigInt(startTimeMs),
    endTimeMs: BigInt(endTimeMs),
    error: error.slice(0, longestError),
    failure: failure === "NONE" ? AttemptFailure.UNSPECIFIED : AttemptFailure[failure],
    httpStatus,
    retryAfterMs,
  };
}
