import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { MIN_TIME_MS, shardOf } from "@taskscheduler/domain";
import {
  ExecutionEndReason,
  ExecutionState,
  HeldClaimSchema,
  type SubscribeResponse,
  SubscribeResponseSchema,
  TaskChangeKind,
  TaskState,
} from "@taskscheduler/proto";
import type { ChangeEvent, ExecutionChangeEvent, TaskChangeEvent } from "../changes/change-event.js";
import type { ChangeLog, LogReader } from "../changes/change-log.js";
import { readAtRevision } from "../changes/change-store.js";
import type { Database, SqlConnection } from "../database/database.js";
import type { Clock } from "../database/database-clock.js";
import { type Due, type DueBound, type DueRetry, findWaiting, pageDueTasks, pageRetries } from "./due-store.js";
import { dueMessage, FeedVerdicts } from "./feed-verdicts.js";
import type { Fleet } from "./fleet.js";

/** A scheduler is told what falls due this far ahead. */
const HORIZON_MS = 60_000;
/** The horizon moves on when this much of it has gone by. */
const ADVANCE_MS = 5_000;
/** What is overdue by this much and still unclaimed is told again. */
const OVERDUE_MS = 1_500;
const PAGE = 2_000;
/** What is tried again is told this far ahead: several sweeps, of which each tells so many pages. */
const RETRY_HORIZON_MS = 10_000;
const RETRY_PAGES = 5;
const EARLIEST: DueBound = { timeMs: MIN_TIME_MS, taskId: 0 };
/** A scheduler is told no further tasks while this many are unclaimed: an outage's backlog stays in the database. */
const MAX_OUTSTANDING = 50_000;

export interface FeedParts {
  readonly database: Database;
  readonly log: ChangeLog;
  readonly fleet: Fleet;
  readonly clock: Clock;
}

/**
 * How far the feed of one incarnation has read. Bound and revision advance as one value: a page of due tasks is read at
 * exactly one revision, earlier changes are judged by the old bound, later ones by the new.
 */
export class FeedCursor {
  /** All changes up to here have been told. */
  revision = 0;
  readonly #parts: FeedParts;
  readonly #log: LogReader;
  readonly #incarnation: number;
  readonly #shards: readonly number[];
  #bound: DueBound = EARLIEST;
  #started = false;
  readonly #shardSet: ReadonlySet<number>;
  /** Tasks that were told and not seen claimed since. */
  readonly #outstanding = new Set<number>();
  #fleetSeen = "";
  #sweptTo: DueBound = EARLIEST;
  #retriesTo: DueBound = EARLIEST;

  constructor(parts: FeedParts, incarnation: number, shards: readonly number[]) {
    this.#parts = parts;
    this.#log = parts.log.open();
    this.#incarnation = incarnation;
    this.#shards = shards;
    this.#shardSet = new Set(shards);
  }

  window(): SubscribeResponse {
    return create(SubscribeResponseSchema, {
      event: {
        case: "window",
        value: {
          $typeName: "taskscheduler.v1.FeedWindow",
          boundMs: BigInt(this.#bound.timeMs),
          revision: BigInt(this.revision),
          shards: [...this.#shards],
        },
      },
    });
  }

  /** Resolves when there is something to follow, or after the time. */
  news(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return this.#log.beyond(this.revision, timeoutMs, signal);
  }

  fleetChanged(): boolean {
    return this.#fleetSeen !== this.#parts.fleet.incarnations().join();
  }

  /** Moves the horizon on by a page. @returns whether there may be more to read at once */
  async *advance(signal: AbortSignal): AsyncGenerator<SubscribeResponse, boolean> {
    const { database, clock } = this.#parts;
    const target = clock.nowMs() + HORIZON_MS;
    if (this.#bound.timeMs > target - ADVANCE_MS || this.#outstanding.size >= MAX_OUTSTANDING) return false;
    const { revision, result } = await database.guarded(() =>
      database.withConnection((connection) =>
        readAtRevision(connection, () => pageDueTasks(connection, this.#shardSet, this.#bound, target, PAGE)),
      ),
    );
    await this.#log.reached(revision, signal);
    if (this.#started) while (this.revision < revision) yield* this.follow(signal, revision);
    this.revision = revision;
    this.#started = true;
    if (result.due.length > 0) yield this.#due(result.due.map((key) => ({ ...key, recorded: false })));
    this.#bound = result.next ?? { timeMs: target, taskId: 0 };
    if (result.next === undefined) yield this.window();
    return result.next !== undefined;
  }

  /** Tells what has changed since, up to a revision. @returns whether anything had */
  async *follow(
    signal: AbortSignal,
    untilRevision = Number.POSITIVE_INFINITY,
  ): AsyncGenerator<SubscribeResponse, boolean> {
    if (!this.#started) return false;
    const events = (await this.#log.read(this.revision, signal)).filter((event) => event.revision <= untilRevision);
    const verdicts = new FeedVerdicts();
    for (const event of events) {
      this.#judge(event, verdicts);
      this.revision = event.revision;
    }
    for (const { taskId } of verdicts.armed()) this.#outstanding.add(taskId);
    yield* verdicts.messages();
    return events.length > 0;
  }

  /** Overdue tasks that nobody claimed, rows that wait, claims whose holder has ended. */
  async *sweep(): AsyncGenerator<SubscribeResponse> {
    const { database, fleet, clock } = this.#parts;
    const live = fleet.incarnations();
    this.#fleetSeen = live.join();
    if (this.#shards.length === 0 || !this.#started) return;
    const overdueMs = Math.min(clock.nowMs() - OVERDUE_MS, this.#bound.timeMs);
    const [overdue, waiting, retries] = await database.guarded(() =>
      database.withConnection(
        async (connection) =>
          [
            await pageDueTasks(connection, this.#shardSet, this.#sweptTo, overdueMs, PAGE),
            await findWaiting(connection, this.#shards, live, PAGE),
            await this.#nextRetries(connection, clock.nowMs() + RETRY_HORIZON_MS),
          ] as const,
      ),
    );
    // A page at a time, and then from the start: what cannot be run for now does not hide what comes after it.
    const isWhole = this.#sweptTo === EARLIEST && overdue.next === undefined;
    this.#sweptTo = overdue.next ?? EARLIEST;
    // Without a backlog those still counted were settled without a row: nothing told of it.
    if (this.#outstanding.size >= MAX_OUTSTANDING && isWhole) this.#outstanding.clear();
    const occurrences = [
      ...overdue.due.map((key) => ({ ...key, recorded: false })),
      ...[...waiting, ...retries].map((key) => ({ ...key, recorded: true })),
    ];
    if (occurrences.length > 0) yield this.#due(occurrences);
  }

  /** A few pages at a time, and then from the start: what is told already does not hide what comes after it. */
  async #nextRetries(connection: SqlConnection, beforeMs: number): Promise<DueRetry[]> {
    const found: DueRetry[] = [];
    for (let pages = 0; pages < RETRY_PAGES; pages += 1) {
      const page = await pageRetries(connection, this.#shards, this.#retriesTo, beforeMs, PAGE);
      found.push(...page);
      const last = page.at(-1);
      const isFull = page.length === PAGE && last !== undefined;
      this.#retriesTo = isFull ? { timeMs: last.runTimeMs, taskId: last.taskId } : EARLIEST;
      if (!isFull) break;
    }
    return found;
  }

  #judge(event: ChangeEvent, verdicts: FeedVerdicts): void {
    if (event.kind === "TASK") this.#judgeTask(event, verdicts);
    else this.#judgeExecution(event, verdicts);
  }

  #judgeTask({ change }: TaskChangeEvent, verdicts: FeedVerdicts): void {
    const { task, kind } = change;
    if (task === undefined || !this.#shardSet.has(shardOf(task.id))) return;
    const isArmed = kind !== TaskChangeKind.DELETED && task.state === TaskState.ACTIVE;
    const nextMs = isArmed && task.nextRunTime !== undefined ? timestampMs(task.nextRunTime) : undefined;
    if (nextMs !== undefined && this.#isWithinBound(nextMs, task.id)) {
      verdicts.arm({ taskId: task.id, scheduledTimeMs: nextMs, recorded: false });
    } else if (kind !== TaskChangeKind.CREATED) {
      verdicts.disarm(task.id);
      this.#outstanding.delete(task.id);
    }
  }

  #judgeExecution({ change }: ExecutionChangeEvent, verdicts: FeedVerdicts): void {
    const { execution, fence, incarnation } = change;
    if (execution?.scheduledTime === undefined) return;
    const { taskId, state } = execution;
    const scheduledTimeMs = timestampMs(execution.scheduledTime);
    const isEnded = state === ExecutionState.CANCELLED || state === ExecutionState.MISSED;
    if (incarnation === this.#incarnation && isEnded) {
      const claim = { taskId, scheduledTimeMs: BigInt(scheduledTimeMs), fence };
      const held = create(HeldClaimSchema, claim);
      verdicts.withdrawn.push(held);
      if (execution.endReason === ExecutionEndReason.CANCELLED_BY_USER) verdicts.cancelled.push(held);
    }
    if (!this.#shardSet.has(shardOf(taskId))) return;
    if (state === ExecutionState.PENDING) {
      verdicts.recorded.push({ taskId, scheduledTimeMs, recorded: true });
    } else if (state === ExecutionState.RETRYING) {
      const runTimeMs = execution.retryTime === undefined ? undefined : timestampMs(execution.retryTime);
      // Later ones are found by a sweep.
      if (runTimeMs === undefined || runTimeMs > this.#parts.clock.nowMs() + RETRY_HORIZON_MS) return;
      verdicts.recorded.push({ taskId, scheduledTimeMs, recorded: true, runTimeMs });
    } else {
      this.#outstanding.delete(taskId);
    }
  }

  #isWithinBound(timeMs: number, taskId: number): boolean {
    return timeMs < this.#bound.timeMs || (timeMs === this.#bound.timeMs && taskId <= this.#bound.taskId);
  }

  #due(occurrences: readonly Due[]): SubscribeResponse {
    for (const occurrence of occurrences) if (!occurrence.recorded) this.#outstanding.add(occurrence.taskId);
    return dueMessage(occurrences);
  }
}
