import { setTimeout as wait } from "node:timers/promises";
import { ServiceError } from "@taskscheduler/domain";
import type { Logger } from "@taskscheduler/runtime";
import type { ChangeSegment } from "../changes/change-event.js";
import type { Database } from "./database.js";
import type { Clock } from "./database-clock.js";
import { databaseUnavailable, isDuplicateKey, isTransient, toCallError } from "./database-error.js";
import type { WriteCommand } from "./write-command.js";
import { type AnyCommand, type CommandOutcome, runGroup } from "./write-transaction.js";

/** Rows a group writes; one command alone may be larger. */
const GROUP_WEIGHT = 512;
/** Two: while one group waits for the disk, the next is read and written. */
const GROUPS_IN_FLIGHT = 2;
const WAITING_WEIGHT = 50_000;
const ATTEMPTS = 8;
const RETRY_MS = 15;

/**
 * Puts what waits while the last group commits into the next one, so that many requests share a transaction and its
 * flush. No timer: an idle writer begins at once.
 */
export interface WriteGroup {
  /** Resolves once the commit is flushed. Rejects with ServiceError, or with the defect. */
  submit<T>(command: WriteCommand<T>): Promise<T>;
  /** Resolves when nothing is waiting or under way. */
  drained(): Promise<void>;
  waiting(): number;
}

interface Entry {
  readonly command: AnyCommand;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface WriteGroupOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onCommit: (segments: readonly ChangeSegment[]) => void;
  /** A group was written: how many commands it held. */
  readonly onGroup: (size: number) => void;
}

export function createWriteGroup({ database, clock, logger, onCommit, onGroup }: WriteGroupOptions): WriteGroup {
  let queue: Entry[] = [];
  let queuedWeight = 0;
  let inFlight = 0;
  /** Keys of the groups under way: what shares one waits, rather than hold up a group at a row's lock. */
  const busyKeys = new Set<string>();
  const idle: (() => void)[] = [];

  function pump(): void {
    while (inFlight < GROUPS_IN_FLIGHT) {
      const group = takeGroup();
      if (group.length === 0) break;
      inFlight += 1;
      void commitGroup(group).finally(() => {
        for (const entry of group) for (const key of entry.command.keys) busyKeys.delete(key);
        inFlight -= 1;
        pump();
      });
    }
    if (inFlight === 0 && queue.length === 0) for (const resolve of idle.splice(0)) resolve();
  }

  /** In the order of arrival; a command that must wait makes later ones of its keys wait behind it. */
  function takeGroup(): Entry[] {
    const group: Entry[] = [];
    const passed: Entry[] = [];
    const passedKeys = new Set<string>();
    let weight = 0;
    let index = 0;
    for (; index < queue.length; index += 1) {
      const entry = queue[index] as Entry;
      const { keys } = entry.command;
      if (weight > 0 && weight + entry.command.weight > GROUP_WEIGHT) break;
      if (keys.some((key) => busyKeys.has(key) || passedKeys.has(key))) {
        for (const key of keys) passedKeys.add(key);
        passed.push(entry);
        continue;
      }
      for (const key of keys) busyKeys.add(key);
      group.push(entry);
      weight += entry.command.weight;
    }
    queue = passed.concat(queue.slice(index));
    queuedWeight -= weight;
    return group;
  }

  async function commitGroup(group: readonly Entry[]): Promise<void> {
    try {
      const { outcomes, segments } = await runAgainUntilCommitted(group.map((entry) => entry.command));
      onCommit(segments);
      onGroup(group.length);
      for (const [index, entry] of group.entries()) settle(entry, outcomes[index]);
    } catch (error) {
      const failure = toCallError(error);
      if (failure instanceof ServiceError || group.length === 1) {
        for (const entry of group) entry.reject(failure);
      } else {
        // What the database refuses of one must not fail the others.
        logger.warn({ err: error, size: group.length }, "a group of writes failed; each is tried alone");
        for (const entry of group) await commitGroup([entry]);
      }
    }
  }

  async function runAgainUntilCommitted(commands: readonly AnyCommand[]): ReturnType<typeof runGroup> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await database.withConnection((connection) => runGroup(connection, commands, clock.nowMs()));
      } catch (error) {
        // A duplicate key is another process's write between our look and ours: the next look sees it.
        if (attempt === ATTEMPTS || !(isTransient(error) || isDuplicateKey(error))) throw error;
        await wait(Math.random() * RETRY_MS * attempt);
      }
    }
  }

  return {
    submit<T>(command: WriteCommand<T>): Promise<T> {
      if (!database.isAdmitted()) return Promise.reject(databaseUnavailable());
      if (queuedWeight >= WAITING_WEIGHT) {
        return Promise.reject(new ServiceError("TOO_MANY_REQUESTS", "too many writes are waiting; try again"));
      }
      return new Promise<T>((resolve, reject) => {
        queue.push({
          // Its answers are made and read by nobody but itself.
          command: command as unknown as AnyCommand,
          resolve: resolve as (answer: unknown) => void,
          reject,
        });
        queuedWeight += command.weight;
        // Requests that arrive in one turn of the event loop begin together.
        setImmediate(pump);
      });
    },
    drained: () => new Promise((resolve) => (inFlight === 0 && queue.length === 0 ? resolve() : idle.push(resolve))),
    waiting: () => queuedWeight,
  };
}

function settle(entry: Entry, outcome: CommandOutcome | undefined): void {
  if (outcome !== undefined && "answer" in outcome) entry.resolve(outcome.answer);
  else entry.reject(outcome?.error);
}
