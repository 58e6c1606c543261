import { ServiceError } from "@taskscheduler/domain";
import { type Logger, LogPace, sleep } from "@taskscheduler/runtime";
import type { ChangeSegment } from "../changes/change-event.js";
import type { Database } from "../database/database.js";
import type { Clock } from "../database/database-clock.js";
import {
  databaseUnavailable,
  isDuplicateKey,
  isOfAllWork,
  isStuck,
  isTransient,
  toCallError,
} from "../database/database-error.js";
import type { WriteCommand } from "./write-command.js";
import { createWriteDeadlines } from "./write-deadlines.js";
import { createWriteQueue, type WriteEntry } from "./write-queue.js";
import { type AnyCommand, type CommandOutcome, runGroup } from "./write-transaction.js";

/** Two: while one group waits for the disk, the next is read and written. */
const GROUPS_IN_FLIGHT = 2;
const ATTEMPTS = 8;
const RETRY_MS = 15;
/** After a name that was taken, groups look for names before they write, as where there is one there are more. */
const GROUPS_LOOKING_FOR_NAMES = 100;
const TELL_AGAIN_MS = 10_000;

/**
 * Puts the commands that wait while the last group commits into the next one, so that many requests share a transaction
 * and its flush. No timer: an idle writer begins at once.
 */
export interface WriteGroup {
  /**
   * Resolves once the commit is flushed. Rejects with ServiceError, or with the defect; with the signal's reason when it
   * is aborted before the command has begun, which then leaves no trace. Settles within `WRITE_LIMIT_MS`: a command that
   * still waits by then is dropped, and one that is under way goes on without its caller.
   */
  submit<T>(command: WriteCommand<T>, signal?: AbortSignal): Promise<T>;
  /** Resolves when nothing is waiting or under way. */
  drained(): Promise<void>;
  /** The rows of the commands that wait. */
  waiting(): number;
  /** How long the oldest command has waited for its commit, in milliseconds; 0: none waits. */
  oldestWaitMs(): number;
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
  const queue = createWriteQueue();
  const deadlines = createWriteDeadlines(queue, logger);
  const pace = new LogPace({ intervalMs: TELL_AGAIN_MS });
  let inFlight = 0;
  let isPumpDue = false;
  let groupsLooking = 0;
  const idle: (() => void)[] = [];

  function pump(): void {
    isPumpDue = false;
    while (inFlight < GROUPS_IN_FLIGHT) {
      const group = queue.take();
      if (group.length === 0) break;
      inFlight += 1;
      void commitGroup(group).finally(() => {
        queue.release(group);
        inFlight -= 1;
        pump();
      });
    }
    if (isIdle()) for (const resolve of idle.splice(0)) resolve();
  }

  const isIdle = () => inFlight === 0 && queue.weight() === 0;

  async function commitGroup(group: readonly WriteEntry[]): Promise<void> {
    let committed: Awaited<ReturnType<typeof runGroup>>;
    try {
      committed = await runAgainUntilCommitted(group);
    } catch (error) {
      await failGroup(group, error);
      return;
    }
    deadlines.committed();
    onCommit(committed.segments);
    onGroup(group.length);
    for (const [index, entry] of group.entries()) settle(entry, committed.outcomes[index]);
  }

  async function failGroup(group: readonly WriteEntry[], error: unknown): Promise<void> {
    const failure = toCallError(error);
    // Without a connection to be had, or at a database that hangs, the commands behind would only wait as long again.
    if (error instanceof ServiceError || isStuck(error)) queue.rejectAll(failure);
    if (isOfAllWork(error) || group.length === 1) {
      for (const entry of group) entry.reject(failure);
      return;
    }
    const taken = pace.take("GROUP");
    const details = { err: error, size: group.length, leftOut: taken?.leftOut };
    if (taken !== undefined) logger.warn(details, "a group of writes failed; each is tried alone");
    // What the database refuses of one must not fail the others.
    for (const entry of group) {
      if (entry.signal?.aborted) entry.reject(entry.signal.reason);
      else if (deadlines.isOpen(entry)) await commitGroup([entry]);
    }
  }

  async function runAgainUntilCommitted(group: readonly WriteEntry[]): ReturnType<typeof runGroup> {
    const commands = group.map((entry) => entry.command);
    let isNameKnown = groupsLooking > 0;
    groupsLooking = Math.max(0, groupsLooking - 1);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await database.withConnection((connection) => runGroup(connection, commands, clock, isNameKnown));
      } catch (error) {
        if (isDuplicateKey(error) && !isNameKnown) {
          isNameKnown = true;
          groupsLooking = GROUPS_LOOKING_FOR_NAMES;
          continue;
        }
        const isOver = attempt === ATTEMPTS || !group.some(deadlines.isOpen);
        // A name that is taken now is another process's write after our look: the next look sees it.
        if (isOver || !(isTransient(error) || isDuplicateKey(error))) throw error;
        await sleep(Math.random() * RETRY_MS * attempt);
      }
    }
  }

  return {
    submit<T>(command: WriteCommand<T>, signal?: AbortSignal): Promise<T> {
      if (!database.isAdmitted()) return Promise.reject(databaseUnavailable());
      if (queue.isFull()) {
        return Promise.reject(new ServiceError("TOO_MANY_REQUESTS", "too many writes are waiting; try again"));
      }
      return new Promise<T>((resolve, reject) => {
        const entry: WriteEntry = {
          command: command as unknown as AnyCommand,
          signal,
          resolve(answer) {
            deadlines.answered(entry);
            resolve(answer as T);
          },
          reject(error) {
            deadlines.answered(entry);
            reject(error);
          },
        };
        deadlines.submitted(entry);
        queue.add(entry);
        if (isPumpDue) return;
        isPumpDue = true;
        // Requests that arrive in one turn of the event loop begin together.
        setImmediate(pump);
      });
    },
    drained: () => new Promise((resolve) => (isIdle() ? resolve() : idle.push(resolve))),
    waiting: queue.weight,
    oldestWaitMs: deadlines.oldestWaitMs,
  };
}

function settle(entry: WriteEntry, outcome: CommandOutcome | undefined): void {
  if (outcome !== undefined && "answer" in outcome) entry.resolve(outcome.answer);
  else entry.reject(outcome?.error);
}
