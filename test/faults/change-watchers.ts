import type { WatchTasksResponse } from "@taskscheduler/proto";
import type { Random } from "../setup/random.js";
import type { TaskClient } from "../setup/task-client.js";
import { deleted, GROUP_LABEL, type Picture, type PictureAt, standingOf, type ToldLog, upserted } from "./told-log.js";

export interface Watcher {
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
  /** How often it began anew with its token. */
  readonly resumed: () => number;
  /** Set when it was told something that the contract excludes. */
  readonly fault: () => unknown;
  stop(): Promise<void>;
}

export interface WatcherOptions {
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

const ORDINARY = /UNAVAILABLE|CANCELLED|DEADLINE_EXCEEDED/;
const PAUSE_MS = 20;

/**
 * Follows the tasks' changes over any number of streams, as a careful client would. A watcher of all tasks must be told
 * each revision, and judges this at once; one of a group keeps what it is told, to be judged when the log is whole.
 */
export function startWatcher(options: WatcherOptions): Watcher {
  const { name, clients, resumeToken, group, dropAfter, log, random } = options;
  const known = new Map<number, string>();
  const told: string[] = [];
  const labelFilter = group === undefined ? {} : { [GROUP_LABEL]: group };
  let token = resumeToken;
  let lastRevision = token === "" ? -1 : Number(token.split("-")[1]);
  let toldAfter = lastRevision;
  /** The last change's, where bookmarks may be ahead. */
  let lastTold = lastRevision;
  let snapshot: PictureAt | undefined;
  let streams = 0;
  let stopped = false;
  let fault: unknown;
  let cancel = () => {};

  function takeChange(at: number, change: string): void {
    if (group === undefined) log.note(at, change, name);
    if (token === "") return;
    if (group === undefined && at !== lastTold + 1)
      throw new Error(`${name} was told revision ${at} after ${lastTold}`);
    if (group !== undefined) told.push(`${at} ${change}`);
    lastTold = at;
  }

  function take({ event, revision, resumeToken: next }: WatchTasksResponse): void {
    const at = Number(revision);
    const isChange = event.case === "upserted" || event.case === "deleted";
    if (at < lastRevision || (isChange && token !== "" && at === lastRevision)) {
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
    }
    lastRevision = at;
    if (next !== "") token = next;
  }

  /** Resolves when the watcher has had enough of this stream, or the stream has ended. */
  function followOne(): Promise<void> {
    const stream = random.pick(clients).tasks.stream("watchTasks", { resumeToken: token, labelFilter });
    let left = dropAfter === undefined ? Number.POSITIVE_INFINITY : random.between(1, dropAfter);
    // Iterating would take most of a busy test's time.
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = (settle: () => void) => {
        isOver = true;
        stream.cancel();
        settle();
      };
      cancel = () => end(resolve);
      stream.on("data", (event: WatchTasksResponse) => {
        // Those that had arrived before it was dropped are as good as never sent.
        if (isOver) return;
        try {
          take(event);
        } catch (error) {
          end(() => reject(error));
        }
        // Without a token it would have to begin with the snapshot again.
        left -= token === "" ? 0 : 1;
        if (left <= 0) end(resolve);
      });
      stream.on("end", () => end(resolve));
      stream.on("error", (error: unknown) => end(() => reject(error)));
    });
  }

  async function follow(): Promise<void> {
    while (!stopped) {
      streams += 1;
      if (token === "") {
        known.clear();
        lastRevision = -1;
      }
      try {
        await followOne();
      } catch (error) {
        if (!ORDINARY.test(String(error))) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  const following = follow().catch((error: unknown) => {
    fault = error;
  });
  return {
    name,
    group,
    known,
    snapshot: () => snapshot,
    told,
    toldAfter: () => toldAfter,
    lastRevision: () => lastRevision,
    resumed: () => streams - 1,
    fault: () => fault,
    async stop() {
      stopped = true;
      cancel();
      await following;
    },
  };
}
