import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Task, WatchTasksRequestSchema, WatchTasksResponse } from "@taskscheduler/proto";
import type { Random } from "../setup/random.js";
import type { TaskClient } from "../setup/task-client.js";
import { followStream, type StreamFollower } from "./stream-follower.js";

/** A change of one task, as a stream tells it. */
export type ChangeEvent = Extract<WatchTasksResponse["event"], { case: "upserted" | "deleted" }>;

export interface TaskFollower extends StreamFollower {
  readonly name: string;
  /** Every task it knows of, what it keeps of it by its id. */
  readonly known: ReadonlyMap<number, string>;
  readonly lastRevision: () => number;
}

export interface TaskFollowerOptions {
  readonly name: string;
  /** It resumes at any of them. */
  readonly clients: readonly TaskClient[];
  /** Empty: begins with a snapshot. */
  readonly resumeToken: string;
  /** Undefined: all tasks. */
  readonly labelFilter?: MessageInitShape<typeof WatchTasksRequestSchema>["labelFilter"];
  /** Drops its stream after 1 to this many events, again and again. Undefined: only when the stream ends. */
  readonly dropAfter?: number | undefined;
  readonly random: Random;
  /** What it keeps of a task. */
  readonly keep: (task: Task) => string;
  /** Called for each change, also for those in the middle of a snapshot, with its revision; what it throws is the fault. */
  readonly onChange: (at: number, change: ChangeEvent, isSnapshot: boolean) => void;
  /** Called when the snapshot is complete, which happens once, with its revision and what is known by then. */
  readonly onSnapshot?: (at: number, known: ReadonlyMap<number, string>) => void;
}

/** Where a token stands; that of a snapshot to come, before every revision. */
export const revisionOf = (resumeToken: string) => (resumeToken === "" ? -1 : Number(resumeToken.split("-")[1]));

/**
 * Follows the tasks' changes over any number of streams, as a careful client would; a revision that does not come after
 * the last one is its fault.
 */
export function followTasks(options: TaskFollowerOptions): TaskFollower {
  const { name, resumeToken, labelFilter = {}, keep, onChange, onSnapshot } = options;
  const known = new Map<number, string>();
  let isSnapshot = resumeToken === "";
  let lastRevision = revisionOf(resumeToken);

  function take({ event, revision }: WatchTasksResponse): void {
    const at = Number(revision);
    const isChange = event.case === "upserted" || event.case === "deleted";
    if (at < lastRevision || (isChange && !isSnapshot && at === lastRevision)) {
      throw new Error(`${name} was told revision ${at} after ${lastRevision}`);
    }
    if (event.case === "upserted" || event.case === "snapshot") known.set(event.value.id, keep(event.value));
    if (event.case === "deleted") known.delete(event.value.id);
    if (isChange) onChange(at, event, isSnapshot);
    if (event.case === "snapshotComplete") {
      onSnapshot?.(at, known);
      isSnapshot = false;
    }
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
      return client.tasks.stream("watchTasks", { resumeToken: from, labelFilter });
    },
  });
  return { ...follower, name, known, lastRevision: () => lastRevision };
}
