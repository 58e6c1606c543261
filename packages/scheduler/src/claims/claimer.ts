import type { ClaimResult } from "@taskscheduler/proto";
import { createBackoff, type Logger } from "@taskscheduler/runtime";
import type { ApiClient } from "../api-client/api-client.js";
import { ApiError, failureLevel, internalCode, verdictOn } from "../api-client/api-error.js";
import { Batcher, sendApart } from "../api-client/batcher.js";
import type { Session } from "../lease/session.js";
import type { SchedulerMetrics } from "../metrics.js";
import type { ArmedOccurrence, ArmedOccurrences } from "./armed-occurrences.js";
import { grantOf } from "./claim-grant.js";
import type { HeldClaims } from "./held-claims.js";
import type { SettledFences } from "./settled-fences.js";

const maxOccurrencesPerCall = 500;
const maxCallsInFlight = 2;
const deadlineMs = 5_000;
/** Nothing more is claimed while this many are held; a heartbeat can name twice as many. */
const maxHeld = 100_000;
/** Nor while what is held is to call as much. */
const maxTargetBytes = 256 * 1024 * 1024;

export interface ClaimerOptions {
  readonly client: ApiClient;
  readonly session: Session;
  readonly armed: ArmedOccurrences;
  readonly held: HeldClaims;
  readonly settled: SettledFences;
  readonly metrics: SchedulerMetrics;
  readonly logger: Logger;
}

/** Asks for the claims of occurrences that are about to fall due, for as long as they are armed. */
export interface Claimer {
  claim(occurrences: readonly ArmedOccurrence[]): void;
  forget(occurrence: ArmedOccurrence): void;
  /** There is an incarnation to claim for, or room for more claims. */
  resume(): void;
  /** No claim is asked for any more; answers are still taken. */
  stop(): void;
  callsInFlight(): number;
}

export function createClaimer(options: ClaimerOptions): Claimer {
  const { session, armed, held, logger } = options;
  const giveUp = (occurrence: ArmedOccurrence, err: unknown): void => {
    logger.error({ err, taskId: occurrence.taskId }, "the API refuses to judge an occurrence");
    armed.settle(occurrence, undefined);
  };
  const batcher: Batcher<ArmedOccurrence> = new Batcher<ArmedOccurrence>({
    maxItems: maxOccurrencesPerCall,
    maxInFlight: maxCallsInFlight,
    backoff: createBackoff({ initialMs: 20, maxMs: 500 }),
    isOpen: () => session.incarnation !== undefined && held.size < maxHeld && held.targetBytes < maxTargetBytes,
    isWanted: (occurrence) => armed.isArmed(occurrence),
    send: (occurrences) =>
      sendApart(
        occurrences,
        (part) => claimOnce(part, { ...options, askAgain: (occurrence) => batcher.add(occurrence) }),
        verdictOn,
        giveUp,
      ),
    onFailure: (err) => logger[failureLevel(err)]({ err }, "claims will be asked for again"),
  });
  return {
    claim: (occurrences) => {
      for (const occurrence of occurrences) batcher.add(occurrence);
    },
    forget: (occurrence) => batcher.delete(occurrence),
    resume: () => batcher.flush(),
    stop: () => batcher.stop(),
    callsInFlight: () => batcher.inFlight,
  };
}

/** @throws ApiError when nothing is known about the occurrences */
async function claimOnce(
  occurrences: readonly ArmedOccurrence[],
  options: ClaimerOptions & { readonly askAgain: (occurrence: ArmedOccurrence) => void },
): Promise<void> {
  const { client, session, settled, metrics } = options;
  const incarnation = session.requireIncarnation();
  const callEnds = settled.callBegins();
  try {
    const request = {
      incarnation,
      occurrences: occurrences.map(({ taskId, scheduledTimeMs, recorded }) => ({
        taskId,
        scheduledTimeMs: BigInt(scheduledTimeMs),
        recorded,
      })),
    };
    const { results } = await client.claimExecutions(request, { deadlineMs });
    if (results.length !== occurrences.length) throw new ApiError(internalCode, "an answer lacks results");
    // Grants to an incarnation that ended meanwhile are worth nothing; the occurrences are still armed.
    session.requireIncarnation(incarnation);
    for (const [index, occurrence] of occurrences.entries()) {
      const result = results[index];
      if (result?.askAgain === true) options.askAgain(occurrence);
      else settleClaim(occurrence, result, incarnation, options);
    }
  } catch (error) {
    session.onCallFailed(incarnation, error);
    metrics.claims.inc({ result: "unknown" }, occurrences.length);
    throw error;
  } finally {
    callEnds();
  }
}

function settleClaim(
  occurrence: ArmedOccurrence,
  result: ClaimResult | undefined,
  incarnation: number,
  { armed, held, metrics }: ClaimerOptions,
): void {
  // The claim is held before the feed can name its occurrence again.
  if (result?.grant !== undefined) held.grant(grantOf(result.grant), incarnation);
  const next = result?.nextScheduledTimeMs;
  armed.settle(occurrence, next === undefined ? undefined : Number(next));
  metrics.claims.inc({ result: result?.grant === undefined ? "refused" : "granted" });
}
