/** An ACTIVE task runs its occurrences, a PAUSED one keeps them, a COMPLETED one has none left. */
export const TASK_STATES = ["ACTIVE", "PAUSED", "COMPLETED"] as const;

export type TaskState = (typeof TASK_STATES)[number];

/** How far an execution has come, in the order of the `state` column's ENUM. The API's names have a prefix. */
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

/** Why an execution exists: its time came, a user asked for it, it was missed and is caught up, or a backfill. */
export const EXECUTION_TRIGGERS = ["SCHEDULE", "MANUAL", "CATCH_UP", "BACKFILL"] as const;

export type ExecutionTrigger = (typeof EXECUTION_TRIGGERS)[number];

/** An execution in one of these states waits for a scheduler. */
export const WAITING_STATES = ["PENDING", "RETRYING"] as const satisfies ExecutionState[];

/** A scheduler holds the claim of an execution in one of these states. */
export const HELD_STATES = ["CLAIMED", "RUNNING"] as const satisfies ExecutionState[];

/** An execution in any other state has ended. Only the transitions that `docs/ledger.md` names reopen it. */
export const UNFINISHED_STATES = [...WAITING_STATES, ...HELD_STATES] as const;

/** An execution in one of these states ended without a run, as far as is known. */
const ENDED_WITHOUT_RUN_STATES = ["CANCELLED", "MISSED", "SKIPPED"] as const satisfies ExecutionState[];

export function hasEndedWithoutRun(state: ExecutionState): boolean {
  return ENDED_WITHOUT_RUN_STATES.some((ended) => ended === state);
}

export function isHeld(state: ExecutionState): boolean {
  return HELD_STATES.some((held) => held === state);
}

export function isUnfinished(state: ExecutionState): boolean {
  return UNFINISHED_STATES.some((unfinished) => unfinished === state);
}
