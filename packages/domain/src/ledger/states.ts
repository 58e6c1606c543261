/** Whether a task fires: `COMPLETED` has no occurrence left. */
export const TASK_STATES = ["ACTIVE", "PAUSED", "COMPLETED"] as const;

export type TaskState = (typeof TASK_STATES)[number];

/** Where an execution stands; the names are those of the `executions` table and, with their prefix, of the API. */
export const EXECUTION_STATES = [
  "PENDING",
  "CLAIMED",
  "RUNNING",
  "RETRYING",
  "SUCCEEDED",
  "FAILED",
  "CANCELLED",
  "MISSED",
  "SKIPPED",
] as const;

export type ExecutionState = (typeof EXECUTION_STATES)[number];

/** Why an execution exists: its time came, a user asked, it was missed and made up for, or a user asked for the past. */
export const EXECUTION_TRIGGERS = ["SCHEDULE", "MANUAL", "CATCH_UP", "BACKFILL"] as const;

export type ExecutionTrigger = (typeof EXECUTION_TRIGGERS)[number];

/** In these an execution waits for a scheduler. */
export const WAITING_STATES = ["PENDING", "RETRYING"] as const satisfies ExecutionState[];

/** In these a scheduler holds it. */
export const HELD_STATES = ["CLAIMED", "RUNNING"] as const satisfies ExecutionState[];

/** In these something may still happen to the execution; in the others only a withdrawal may be taken back. */
export const UNFINISHED_STATES = [...WAITING_STATES, ...HELD_STATES] as const;

export function isHeld(state: ExecutionState): boolean {
  return HELD_STATES.some((held) => held === state);
}

export function isUnfinished(state: ExecutionState): boolean {
  return UNFINISHED_STATES.some((unfinished) => unfinished === state);
}
