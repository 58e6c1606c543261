import type { WatchTasksResponse } from "@taskscheduler/proto";
import type { Random } from "../setup/random.js";
import type { TaskClient } from "../setup/task-client.js";
import { followStream, type StreamFollower } from "./stream-follower.js";
import { deleted, GROUP_LABEL, type Picture, type PictureAt, standingOf, type ToldLog, upserted } from "./told-log.js";

export interface JudgedWatcher extends StreamFollower {
  readonly name: string;
  readonly group: string | undefined;
  readonly known: Picture;
  /** What it knew at the end of its snapshot; undefined where it began with a token. */
  readonly snapshot: () => PictureAt | undefined;
  /** Of a group's watcher: `revision change` each, after `toldAfter`. */
  readonly told: readonly string[];
  /** Where it began: its token's revision, or its snapshot's. */
  readonly toldAfter: () => number;
  readonly lastRevision: () => number;
}

export interface JudgedWatcherOptions {
  readonly name: string;
  /** It resumes at any of them. */
  readonly clients: readonly TaskClient[];
  /** Empty: begins with a snapshot. */
  readonly resumeToken: string;
  /** Of these tasks alone. Undefined: of all. */
  readonly group?: string | undefined;
  /** Drops its stream after 1 to this many events, again and again. Undefined: only when the stream ends. */
  readonly dropAfter?: number | undefined;
  readonly log: ToldLog;
  readonly random: Random;
}

/**
 * Follows the tasks' changes over any number of streams, as a careful client would. A watcher of all tasks must be told
 * each revision, and judges this at once; one of a group keeps what it is told, to be judged when the log is whole.
 */
export function startJudgedWatcher(options: JudgedWatcherOptions): JudgedWatcher {
  const { name, resumeToken, group, log } = options;
  const known = new Map<number, string>();
  const told: string[] = [];
  const labelFilter = group === undefined ? {} : { [GROUP_LABEL]: group };
  let isSnapshot = resumeToken === "";
  let lastRevision = isSnapshot ? -1 : Number(resumeToken.split("-")[1]);
  let toldAfter = lastRevision;
  /** The last change's, where bookmarks may be ahead. */
  let lastTold = lastRevision;
  let snapshot: PictureAt | undefined;

  function takeChange(at: number, change: string): void {
    if (group === undefined) log.note(at, change, name);
    if (isSnapshot) return;
    if (group === undefined && at !== lastTold + 1)
      throw new Error(`${name} was told revision ${at} after ${lastTold}`);
    if (group !== undefined) told.push(`${at} ${change}`);
    lastTold = at;
  }

  function take({ event, revision }: WatchTasksResponse): void {
    const at = Number(revision);
    const isChange = event.case === "upserted" || event.case === "deleted";
    if (at < lastRevision || (isChange && !isSnapshot && at === lastRevision)) {
      throw new Error(`${name} was told revision ${at} after ${lastRevision}`);
    }
    if (event.case === "upserted" || event.case === "snapshot") known.set(event.value.id, standingOf(event.value));
    if (event.case === "deleted") known.delete(event.value.id);
    if (event.case === "upserted") takeChange(at, upserted(event.value));
    if (event.case === "deleted") takeChange(at, deleted(event.value.id));
    if (event.case === "snapshotComplete") {
      snapshot = { by: name, revision: at, group, known: new Map(known) };
      toldAfter = at;
      lastTold = at;
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
  return {
    ...{ ...follower, name, group, known, told },
    snapshot: () => snapshot,
    toldAfter: () => toldAfter,
    lastRevision: () => lastRevision,
  };
}
