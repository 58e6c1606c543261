import type { ApiError } from "./api-client/api-error.js";
import type { Rooms } from "./scheduler.js";
import { oneLine } from "./targets/one-line.js";

const MAX_CHARACTERS = 300;

/** Why the scheduler cannot run what falls due. Without a registration it has neither feed nor lease: one reason is enough. */
export function notReadyReasons({ session, feed, timekeeper }: Rooms): readonly string[] {
  if (session.incarnation === undefined) {
    return [`not registered with the API: check API_ADDRESS, and that the API is ready${because(session.failure)}`];
  }
  const reasons: string[] = [];
  if (!feed.isLive) reasons.push(`the API does not tell what falls due${because(feed.failure)}`);
  if (!timekeeper.mayStart()) {
    reasons.push(
      timekeeper.isSynchronised
        ? `the lease is over, as no heartbeat was acknowledged in time${because(session.failure)}`
        : `the clock was set, or the machine slept, and the API has not told the time since${because(session.failure)}`,
    );
  }
  return reasons;
}

/** Times and addresses that differ from one failure to the next are left out: they would be another reason each time. */
function because(failure: ApiError | undefined): string {
  if (failure === undefined) return "";
  const text = failure.isTooLate ? "no answer in time" : failure.message.replace(/\.? Resolution note:.*$/s, "");
  return ` (${oneLine(text, MAX_CHARACTERS)})`;
}
