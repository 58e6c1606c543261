import { ServiceError } from "@taskscheduler/domain";
import { TaskChangeKind } from "@taskscheduler/proto";
import { aborted } from "@taskscheduler/runtime";
import type { ChangeEvent } from "../changes/change-event.js";
import type { ChangeLog, LogReader } from "../changes/change-log.js";
import { readPosition, readSnapshot } from "../changes/change-store.js";
import type { Database } from "../database/database.js";
import { countBlocks, ID_BLOCK } from "./task-store.js";

/** Counted anew after this: what somebody writes past the API is in no log. */
const MAX_AGE_MS = 60_000;
/** After more changes than this, counting anew is quicker than following them. */
const MAX_CHANGES = 20_000;

export interface TaskRanks {
  /**
   * Where the task is, by id, that so many come before: from an id on, and of those the next after so many. It knows all
   * that was acknowledged before it was asked.
   */
  seek(rank: number, signal: AbortSignal): Promise<{ readonly fromId: number; readonly skip: number }>;
}

/** The number of tasks in each block of ids, at a revision. */
interface Counts {
  readonly epoch: string;
  readonly countedAtMs: number;
  readonly blocks: Map<number, number>;
  revision: number;
}

/**
 * Finds a task by its rank without reading those before it: the tasks are counted by blocks of ids when first asked, some
 * 0.2 s for a million, and from then on the change log tells which were created and deleted. Those who ask take turns.
 */
export function createTaskRanks(database: Database, log: ChangeLog): TaskRanks {
  let counts: Counts | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  async function current(signal: AbortSignal): Promise<Counts> {
    const reader = log.open();
    const { revision } = await database.withConnection(readPosition);
    await reader.reached(revision, signal);
    const isUsable =
      counts !== undefined &&
      counts.epoch === reader.epoch &&
      performance.now() - counts.countedAtMs < MAX_AGE_MS &&
      revision - counts.revision < MAX_CHANGES;
    if (!isUsable || counts === undefined) {
      counts = await countAnew(reader.epoch);
      await reader.reached(counts.revision, signal);
    }
    await follow(counts, reader, revision, signal);
    return counts;
  }

  async function countAnew(epoch: string): Promise<Counts> {
    const countedAtMs = performance.now();
    const { revision, result: blocks } = await database.withConnection((holder) =>
      database.withConnection((reader) => readSnapshot(holder, reader, countBlocks)),
    );
    return { epoch, countedAtMs, blocks, revision };
  }

  return {
    async seek(rank, signal) {
      const found = turn.then(() => {
        signal.throwIfAborted();
        return current(signal).catch((error: unknown) => {
          if (!isExpired(error)) throw error;
          counts = undefined;
          return current(signal);
        });
      });
      turn = found.catch(() => undefined);
      // Whoever goes away does not wait for those before.
      await Promise.race([found, aborted(signal)]);
      signal.throwIfAborted();
      return seekIn((await found).blocks, rank);
    },
  };
}

/** The log does not reach back to what was counted: it was purged, or the database was set back. */
function isExpired(error: unknown): boolean {
  return error instanceof ServiceError && error.reason === "RESUME_TOKEN_EXPIRED";
}

async function follow(counts: Counts, reader: LogReader, until: number, signal: AbortSignal): Promise<void> {
  while (counts.revision < until) {
    for (const event of await reader.read(counts.revision, signal)) {
      const [id, by] = changeOf(event);
      const block = Math.floor(id / ID_BLOCK);
      if (by !== 0) counts.blocks.set(block, (counts.blocks.get(block) ?? 0) + by);
      counts.revision = event.revision;
    }
  }
}

function changeOf(event: ChangeEvent): readonly [id: number, by: number] {
  if (event.kind !== "TASK" || event.change.task === undefined) return [0, 0];
  const { task, kind } = event.change;
  return [task.id, kind === TaskChangeKind.CREATED ? 1 : kind === TaskChangeKind.DELETED ? -1 : 0];
}

function seekIn(blocks: ReadonlyMap<number, number>, rank: number): { fromId: number; skip: number } {
  let skip = rank;
  let next = 0;
  for (const [block, count] of [...blocks].sort(([a], [b]) => a - b)) {
    if (skip < count) return { fromId: block * ID_BLOCK, skip };
    skip -= count;
    next = block + 1;
  }
  return { fromId: next * ID_BLOCK, skip };
}
