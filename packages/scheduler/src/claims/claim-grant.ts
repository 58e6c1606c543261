import type { Grant } from "@taskscheduler/proto";
import type { ClaimGrant } from "./held-claims.js";

/** The proto's int64 is a bigint; every instant fits a number. */
export function grantOf({ taskId, scheduledTimeMs, fence, attempt }: Grant): ClaimGrant {
  return { taskId, scheduledTimeMs: Number(scheduledTimeMs), fence, attempt };
}
