import type { WatchTasksResponse } from "@taskscheduler/proto";
import type { Random } from "../setup/random.js";
import type { TaskClient } from "../setup/task-client.js";
import { followStream, type StreamFollower } from "./stream-follower.js";

export interface TaskWatcher extends StreamFollower {
  readonly name: string;
  /**
   * The changes after its snapshot, or after the token it began with: `revision upserted etag` or `revision deleted id`.
   * An etag names one change of one task.
   */
  readonly told: readonly string[];
  /** Every task it knows of, its etag by its id. */
  readonly known: ReadonlyMap<number, string>;
  readonly lastRevision: () => number;
}

export interface TaskWatcherOptions {
  readonly name: string;
  readonly clients: readonly TaskClient[];
  /** Empty: begins with a snapshot. */
  readonly resumeToken: string;
  readonly dropAfter?: number;
  readonly random: Random;
}

/** Follows the changes of all tasks; a revision that does not come after the last one is its fault. */
export function watchTasks(options: TaskWatcherOptions): TaskWatcher {
  const { name, resumeToken } = options;
  const told: string[] = [];
  const known = new Map<number, string>();
  let isSnapshot = resumeToken === "";
  let lastRevision = isSnapshot ? -1 : Number(resumeToken.split("-")[1]);

  function take({ event, revision }: WatchTasksResponse): void {
    const at = Number(revision);
    const isChange = event.case === "upserted" || event.case === "deleted";
    if (at < lastRevision || (isChange && !isSnapshot && at === lastRevision)) {
      throw new Error(`${name} was told revision ${at} after ${lastRevision}`);
    }
    if (event.case === "upserted" || event.case === "snapshot") known.set(event.value.id, event.value.etag);
    if (event.case === "deleted") known.delete(event.value.id);
    if (isChange && !isSnapshot) {
      told.push(`${at} ${event.case} ${event.case === "upserted" ? event.value.etag : event.value.id}`);
    }
    if (event.case === "snapshotComplete") isSnapshot = false;
    lastRevision = at;
  }

  const follower = followStream<WatchTasksResponse>({
    ...options,
    take,
    open(client, from) {
      if (from === "") {
        known.clear();
        lastRevision = -1;
      }
      return client.tasks.stream("watchTasks", { resumeToken: from });
    },
  });
  return { ...follower, name, told, known, lastRevision: () => lastRevision };
}
