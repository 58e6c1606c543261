import { ServiceError } from "@taskscheduler/domain";
import { type Logger, LogPace } from "@taskscheduler/runtime";
import type { WriteEntry, WriteQueue } from "./write-queue.js";

/** A write is answered within this, whatever the database does. */
export const WRITE_LIMIT_MS = 10_000;
const LIMIT_SECONDS = WRITE_LIMIT_MS / 1_000;
const SWEEP_MS = 100;
/** A database that has committed nothing for this long, while writes wait, is stuck. */
const STUCK_MS = 3_000;
const TELL_AGAIN_MS = 10_000;

/** Keeps the time of each write from its submission to its answer. */
export interface WriteDeadlines {
  submitted(entry: WriteEntry): void;
  answered(entry: WriteEntry): void;
  /** Whether a caller still waits for the entry's answer. */
  isOpen(entry: WriteEntry): boolean;
  /** A group of writes was committed. */
  committed(): void;
  /** How long the oldest write has waited; 0: none waits. */
  oldestWaitMs(): number;
}

/**
 * Answers the writes that are late: those that still wait in the queue are dropped, and those that are under way go on.
 * Drops the writes in the queue whose callers have gone, too, and tells the log when the database does not commit.
 */
export function createWriteDeadlines(queue: Pick<WriteQueue, "drop" | "weight">, logger: Logger): WriteDeadlines {
  /** When each was submitted, the oldest first. */
  const open = new Map<WriteEntry, number>();
  const pace = new LogPace({ intervalMs: TELL_AGAIN_MS });
  let sweeping: NodeJS.Timeout | undefined;
  let committedMs = performance.now();

  function oldestWaitMs(): number {
    for (const submittedMs of open.values()) return performance.now() - submittedMs;
    return 0;
  }

  const isStuck = () => performance.now() - committedMs >= STUCK_MS && oldestWaitMs() >= STUCK_MS;

  function sweep(): void {
    if (open.size === 0) {
      clearInterval(sweeping);
      sweeping = undefined;
      return;
    }
    tellIfStuck();
    const lateMs = performance.now() - WRITE_LIMIT_MS;
    for (const [entry, submittedMs] of open) {
      if (entry.signal?.aborted) queue.drop(entry, entry.signal.reason);
      if (submittedMs <= lateMs && !queue.drop(entry, notWritten(isStuck()))) entry.reject(unknown());
    }
  }

  function tellIfStuck(): void {
    if (!isStuck()) return;
    const taken = pace.take("STUCK");
    if (taken === undefined) return;
    const oldestWaitSeconds = Math.round(oldestWaitMs() / 1_000);
    logger.warn({ oldestWaitSeconds, rowsWaiting: queue.weight() }, "writes wait: the database does not commit");
  }

  return {
    submitted(entry) {
      open.set(entry, performance.now());
      sweeping ??= setInterval(sweep, SWEEP_MS).unref();
    },
    answered: (entry) => void open.delete(entry),
    isOpen: (entry) => open.has(entry),
    committed() {
      committedMs = performance.now();
    },
    oldestWaitMs,
  };
}

function notWritten(isStuck: boolean): ServiceError {
  return isStuck
    ? new ServiceError(
        "DATABASE_UNAVAILABLE",
        `the database has not taken the write within ${LIMIT_SECONDS} s; nothing was written; try again`,
      )
    : new ServiceError("TOO_MANY_REQUESTS", "too many writes are waiting; nothing was written; try again");
}

function unknown(): ServiceError {
  return new ServiceError(
    "DATABASE_UNAVAILABLE",
    `the database has not answered within ${LIMIT_SECONDS} s; whether the write was done is not known; try again`,
  );
}
