import type { Grant, Target } from "@taskscheduler/proto";

/** What the API grants, its integers as numbers. */
export interface ClaimGrant {
  readonly taskId: number;
  readonly scheduledTimeMs: number;
  readonly fence: number;
  readonly attempt: number;
  /** When it is to run: its scheduled time, or later where it is tried again. */
  readonly runTimeMs: number;
  /** Undefined: a reminder. */
  readonly target: Target | undefined;
}

/** The proto's int64 is a bigint; every instant fits a number. */
export function grantOf({ taskId, scheduledTimeMs, fence, attempt, runTimeMs, target }: Grant): ClaimGrant {
  return {
    ...{ taskId, scheduledTimeMs: Number(scheduledTimeMs), fence, attempt, target },
    runTimeMs: Number(runTimeMs ?? scheduledTimeMs),
  };
}
