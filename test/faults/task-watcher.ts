import { followTasks, type TaskFollower, type TaskFollowerOptions } from "./task-follower.js";

export interface TaskWatcher extends TaskFollower {
  /**
   * The changes after its snapshot, or after the token it began with: `revision upserted etag` or `revision deleted id`.
   * An etag names one change of one task.
   */
  readonly told: readonly string[];
}

export type TaskWatcherOptions = Pick<TaskFollowerOptions, "name" | "clients" | "resumeToken" | "dropAfter" | "random">;

/** Follows the changes of all tasks, and keeps what it is told; of each task it knows of, the etag. */
export function watchTasks(options: TaskWatcherOptions): TaskWatcher {
  const told: string[] = [];
  const follower = followTasks({
    ...options,
    keep: ({ etag }) => etag,
    onChange(at, change, isSnapshot) {
      if (isSnapshot) return;
      told.push(`${at} ${change.case} ${change.case === "upserted" ? change.value.etag : change.value.id}`);
    },
  });
  return { ...follower, told };
}
