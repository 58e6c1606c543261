import type { WatchTasksResponse } from "@taskscheduler/proto";
import type { Random } from "../setup/random.js";
import type { TaskClient } from "../setup/task-client.js";

/** What a watcher was told: `revision upserted etag` or `revision deleted id`. An etag names one change of one task. */
export type ToldChange = string;

export interface Watcher {
  readonly name: string;
  /** The changes after its snapshot, or after the token it began with. */
  readonly told: readonly ToldChange[];
  /** Every task it knows of, its etag by its id. */
  readonly known: ReadonlyMap<number, string>;
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
  /** Drops its stream after 1 to this many events, again and again. Undefined: only when the stream ends. */
  readonly dropAfter?: number;
  readonly random: Random;
}

const ORDINARY = /UNAVAILABLE|CANCELLED|DEADLINE_EXCEEDED/;
const PAUSE_MS = 20;

/** Follows the tasks' changes over any number of streams, as a careful client would. */
export function startWatcher({ name, clients, resumeToken, dropAfter, random }: WatcherOptions): Watcher {
  const told: ToldChange[] = [];
  const known = new Map<number, string>();
  let token = resumeToken;
  let lastRevision = token === "" ? -1 : Number(token.split("-")[1]);
  let streams = 0;
  let stopped = false;
  let fault: unknown;
  let cancel = () => {};

  function take({ event, revision, resumeToken: next }: WatchTasksResponse): void {
    const at = Number(revision);
    const isChange = event.case === "upserted" || event.case === "deleted";
    if (at < lastRevision || (isChange && token !== "" && at === lastRevision)) {
      throw new Error(`${name} was told revision ${at} after ${lastRevision}`);
    }
    if (event.case === "upserted" || event.case === "snapshot") known.set(event.value.id, event.value.etag);
    if (event.case === "deleted") known.delete(event.value.id);
    if (isChange && token !== "") {
      told.push(`${at} ${event.case} ${event.case === "upserted" ? event.value.etag : event.value.id}`);
    }
    lastRevision = at;
    if (next !== "") token = next;
  }

  async function followOne(): Promise<void> {
    const stream = random.pick(clients).tasks.stream("watchTasks", { resumeToken: token });
    // A cancelled call says so once more when nobody listens.
    stream.on("error", () => undefined);
    cancel = () => stream.cancel();
    let left = dropAfter === undefined ? Number.POSITIVE_INFINITY : random.between(1, dropAfter);
    try {
      for await (const event of stream as AsyncIterable<WatchTasksResponse>) {
        take(event);
        // Without a token it would have to begin with the snapshot again.
        left -= token === "" ? 0 : 1;
        if (left <= 0 || stopped) return;
      }
    } finally {
      stream.cancel();
    }
  }

  async function follow(): Promise<void> {
    while (!stopped) {
      streams += 1;
      if (token === "") known.clear();
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
    told,
    known,
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
