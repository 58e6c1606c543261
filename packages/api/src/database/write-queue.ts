import type { WriteCommand } from "./write-command.js";

/** Rows a group writes; one command alone may be larger. */
const GROUP_WEIGHT = 512;
const WAITING_WEIGHT = 50_000;
/** How many that must wait for others a look passes: however long the queue for one task is, a look is short. */
const PASSED = 1_024;

/** A command that waits, and who waits for it. */
export interface WriteEntry {
  /** Its answers are made and read by nobody but itself. */
  readonly command: WriteCommand<unknown>;
  /** Once aborted, nobody waits any more: the command is dropped unless it has begun. */
  readonly signal: AbortSignal | undefined;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What waits to be written, in the order of arrival; commands that share a key are never under way together. */
export interface WriteQueue {
  /** The rows of what waits. */
  weight(): number;
  isFull(): boolean;
  add(entry: WriteEntry): void;
  /** The next group, empty if nothing can begin. A command that must wait makes later ones of its keys wait behind it. */
  take(): WriteEntry[];
  /** A group is no longer under way. */
  release(group: readonly WriteEntry[]): void;
}

export function createWriteQueue(): WriteQueue {
  let waiting: WriteEntry[] = [];
  let weight = 0;
  /** Of the groups under way: what shares one waits here, rather than hold up a group at a row's lock. */
  const busyKeys = new Set<string>();

  function take(): WriteEntry[] {
    const group: WriteEntry[] = [];
    const passed: WriteEntry[] = [];
    const passedKeys = new Set<string>();
    let groupWeight = 0;
    let index = 0;
    for (; index < waiting.length && passed.length < PASSED; index += 1) {
      const entry = waiting[index] as WriteEntry;
      const { command, signal } = entry;
      if (signal?.aborted) {
        weight -= command.weight;
        entry.reject(signal.reason);
        continue;
      }
      if (groupWeight > 0 && groupWeight + command.weight > GROUP_WEIGHT) break;
      if (command.keys.some((key) => busyKeys.has(key) || passedKeys.has(key))) {
        for (const key of command.keys) passedKeys.add(key);
        passed.push(entry);
        continue;
      }
      for (const key of command.keys) busyKeys.add(key);
      group.push(entry);
      groupWeight += command.weight;
    }
    waiting = passed.concat(waiting.slice(index));
    weight -= groupWeight;
    return group;
  }

  return {
    weight: () => weight,
    isFull: () => weight >= WAITING_WEIGHT,
    add(entry) {
      waiting.push(entry);
      weight += entry.command.weight;
    },
    take,
    release(group) {
      for (const { command } of group) for (const key of command.keys) busyKeys.delete(key);
    },
  };
}
