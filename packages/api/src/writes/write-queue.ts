import type { WriteCommand } from "./write-command.js";

/** Rows a group writes; one command alone may be larger. */
const GROUP_WEIGHT = 512;
const WAITING_WEIGHT = 50_000;

/** A command, and the caller that waits for it. */
export interface WriteEntry {
  /** Its answers are made and read by nobody but itself. */
  readonly command: WriteCommand<unknown>;
  /** Once aborted, nobody waits any more: the command is dropped unless it has begun. */
  readonly signal: AbortSignal | undefined;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The commands that wait to be written. Commands that share a key are never under way together, rather than hold up a
 * group at a row's lock: each key has a line, in the order of arrival, and a command is ready when it is the first in all
 * of its lines. So a long line for one task holds up nobody else.
 */
export interface WriteQueue {
  /** The rows of the commands that wait. */
  weight(): number;
  isFull(): boolean;
  add(entry: WriteEntry): void;
  /** The next group, empty if nothing is ready. */
  take(): WriteEntry[];
  /** A group is no longer under way. */
  release(group: readonly WriteEntry[]): void;
  /** Rejects an entry that waits. @returns false: the entry does not wait any more */
  drop(entry: WriteEntry, reason: unknown): boolean;
  /** Rejects every entry that waits. */
  rejectAll(error: unknown): void;
}

export function createWriteQueue(): WriteQueue {
  /** The entries that are neither under way nor dropped. */
  const waiting = new Set<WriteEntry>();
  /** For each key, the entry that is under way or ready, and the entries behind. A dropped entry leaves when it is first. */
  const lines = new Map<string, WriteEntry[]>();
  /** In how many lines an entry is not the first. */
  const blocked = new Map<WriteEntry, number>();
  let ready: WriteEntry[] = [];
  let weight = 0;

  function leave(entry: WriteEntry): void {
    for (const key of keysOf(entry)) {
      const line = lines.get(key) ?? [];
      line.shift();
      const [next] = line;
      if (next === undefined) lines.delete(key);
      else unblock(next);
    }
  }

  function unblock(entry: WriteEntry): void {
    const left = (blocked.get(entry) ?? 0) - 1;
    if (left > 0) {
      blocked.set(entry, left);
      return;
    }
    blocked.delete(entry);
    ready.push(entry);
  }

  function remove(entry: WriteEntry): boolean {
    if (!waiting.delete(entry)) return false;
    weight -= weightOf(entry);
    return true;
  }

  function drop(entry: WriteEntry, reason: unknown): boolean {
    if (!remove(entry)) return false;
    entry.reject(reason);
    return true;
  }

  return {
    weight: () => weight,
    isFull: () => weight >= WAITING_WEIGHT,
    add(entry) {
      waiting.add(entry);
      weight += weightOf(entry);
      let behind = 0;
      for (const key of keysOf(entry)) {
        const line = lines.get(key);
        if (line === undefined) {
          lines.set(key, [entry]);
        } else {
          line.push(entry);
          behind += 1;
        }
      }
      if (behind === 0) ready.push(entry);
      else blocked.set(entry, behind);
    },
    take() {
      const group: WriteEntry[] = [];
      let groupWeight = 0;
      let index = 0;
      // An entry that leaves may make others ready.
      for (; index < ready.length; index += 1) {
        const entry = ready[index] as WriteEntry;
        if (entry.signal?.aborted) drop(entry, entry.signal.reason);
        if (!waiting.has(entry)) {
          leave(entry);
          continue;
        }
        if (groupWeight > 0 && groupWeight + weightOf(entry) > GROUP_WEIGHT) break;
        groupWeight += weightOf(entry);
        group.push(entry);
        remove(entry);
      }
      ready = ready.slice(index);
      return group;
    },
    release(group) {
      for (const entry of group) leave(entry);
    },
    drop,
    rejectAll(error) {
      const rejected = [...waiting];
      const notUnderWay = new Set([...ready, ...blocked.keys()]);
      for (const [key, line] of lines) {
        const underWay = line.filter((entry) => !notUnderWay.has(entry));
        if (underWay.length === 0) lines.delete(key);
        else lines.set(key, underWay);
      }
      ready = [];
      blocked.clear();
      waiting.clear();
      weight = 0;
      for (const entry of rejected) entry.reject(error);
    },
  };
}

/** A batch may name the same thing twice. */
function keysOf({ command: { keys } }: WriteEntry): Iterable<string> {
  return keys.length <= 1 ? keys : new Set(keys);
}

/** A command that writes no row still takes its turn. */
function weightOf(entry: WriteEntry): number {
  return Math.max(1, entry.command.weight);
}
