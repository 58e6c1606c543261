import type { Grant } from "@taskscheduler/proto";

/** What the API grants, its integers as numbers. */
export interface ClaimGrant {
  readonly taskId: number;
  readonly scheduledTimeMs: number;
  readonly fence: number;
  readonly attempt: number;
}

/** The proto's int64 is a bigint; every instant fits a number. */
export function grantOf({ taskId, scheduledTimeMs, fence, attempt }: Grant): ClaimGrant {
  return { taskId, scheduledTimeMs: Number(scheduledTimeMs), fence, attempt };
}
