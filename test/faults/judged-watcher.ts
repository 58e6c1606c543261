import { followTasks, revisionOf, type TaskFollower, type TaskFollowerOptions } from "./task-follower.js";
import { deleted, GROUP_LABEL, type PictureAt, standingOf, type ToldLog, upserted } from "./told-log.js";

export interface JudgedWatcher extends TaskFollower {
  readonly group: string | undefined;
  /** What it knew at the end of its snapshot; undefined where it began with a token. */
  readonly snapshot: () => PictureAt | undefined;
  /** Of a group's watcher: `revision change` each, after `toldAfter`. */
  readonly told: readonly string[];
  /** Where it began: its token's revision, or its snapshot's. */
  readonly toldAfter: () => number;
}

export interface JudgedWatcherOptions
  extends Pick<TaskFollowerOptions, "name" | "clients" | "resumeToken" | "dropAfter" | "random"> {
  /** Of these tasks alone. Undefined: of all. */
  readonly group?: string | undefined;
  readonly log: ToldLog;
}

/**
 * Follows the tasks' changes, and keeps of each task what the log says of it. A watcher of all tasks must be told each
 * revision, and judges this at once; one of a group keeps what it is told, to be judged when the log is whole.
 */
export function startJudgedWatcher(options: JudgedWatcherOptions): JudgedWatcher {
  const { name, resumeToken, group, log } = options;
  const told: string[] = [];
  let toldAfter = revisionOf(resumeToken);
  /** The last change's, where bookmarks may be ahead. */
  let lastTold = toldAfter;
  let snapshot: PictureAt | undefined;

  function takeChange(at: number, change: string, isSnapshot: boolean): void {
    if (group === undefined) log.note(at, change, name);
    if (isSnapshot) return;
    if (group === undefined && at !== lastTold + 1)
      throw new Error(`${name} was told revision ${at} after ${lastTold}`);
    if (group !== undefined) told.push(`${at} ${change}`);
    lastTold = at;
  }

  const follower = followTasks({
    ...options,
    labelFilter: group === undefined ? {} : { [GROUP_LABEL]: group },
    keep: standingOf,
    onChange(at, change, isSnapshot) {
      takeChange(at, change.case === "upserted" ? upserted(change.value) : deleted(change.value.id), isSnapshot);
    },
    onSnapshot(at, known) {
      snapshot = { by: name, revision: at, group, known: new Map(known) };
      toldAfter = at;
      lastTold = at;
    },
  });
  return { ...follower, group, told, snapshot: () => snapshot, toldAfter: () => toldAfter };
}
