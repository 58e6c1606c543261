/** Why an execution ended without running to its end, in the order of the `end_reason` column's ENUM. */
export const END_REASONS = [
  "CANCELLED_BY_USER",
  "SCHEDULE_CHANGED",
  "TARGET_CHANGED",
  "TARGET_REMOVED",
  "TASK_PAUSED",
  "TASK_DELETED",
  "SCHEDULER_LOST",
  "TOO_LATE",
  "NOT_RUN_IN_TIME",
  "OVERLAP",
] as const;

export type EndReason = (typeof END_REASONS)[number];

/** A change of its task withdraws an execution. */
export type WithdrawalReason = Extract<
  EndReason,
  "SCHEDULE_CHANGED" | "TARGET_CHANGED" | "TARGET_REMOVED" | "TASK_PAUSED" | "TASK_DELETED"
>;

/** The time of an execution passes before it starts. */
export type MissReason = Extract<
  EndReason,
  "SCHEDULE_CHANGED" | "TASK_DELETED" | "SCHEDULER_LOST" | "TOO_LATE" | "NOT_RUN_IN_TIME"
>;

/** A policy of its task leaves an execution out. */
export type SkipReason = Extract<EndReason, "OVERLAP">;

// The texts below are for people. No code reads them: decisions depend on the reason.

export const CANCELLED_TEXT = "cancelled by a user";

export const WITHDRAWAL_TEXTS: Readonly<Record<WithdrawalReason, string>> = {
  SCHEDULE_CHANGED: "withdrawn: the schedule was changed",
  TARGET_CHANGED: "withdrawn: the target was changed",
  TARGET_REMOVED: "withdrawn: the task no longer calls a target",
  TASK_PAUSED: "withdrawn: the task was paused",
  TASK_DELETED: "withdrawn: the task was deleted",
};

export const MISS_TEXTS: Readonly<Record<MissReason, string>> = {
  SCHEDULE_CHANGED: "missed: it had not run when the schedule was changed",
  TASK_DELETED: "missed: it had not run when the task was deleted",
  SCHEDULER_LOST: "missed: its scheduler died, and no other could run it in time",
  TOO_LATE: "missed: its scheduler handed it back, and no scheduler could run it in time",
  NOT_RUN_IN_TIME: "missed: no scheduler ran it in time",
};

export const SKIP_TEXTS: Readonly<Record<SkipReason, string>> = {
  OVERLAP: "skipped: an earlier execution of the task was still under way",
};
