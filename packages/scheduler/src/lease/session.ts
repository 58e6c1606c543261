import { randomUUID } from "node:crypto";
import type { HeartbeatResponse } from "@taskscheduler/proto";
import { createBackoff, type Logger, sleep } from "@taskscheduler/runtime";
import type { ApiClient } from "../api-client/api-client.js";
import { ApiError, failureLevel, unavailableCode } from "../api-client/api-error.js";
import type { HeldSnapshot } from "../claims/held-claims.js";
import type { Timekeeper } from "./timekeeper.js";

const registerDeadlineMs = 5_000;
const longestBeatIntervalMs = 1_000;
const beatsPerLease = 5;
/** While the feed is cut, withdrawals are learnt from heartbeats alone. */
const beatIntervalWithoutFeedMs = 100;
const shortestBeatDeadlineMs = 500;
const longestBeatDeadlineMs = 2_500;
/** The second try goes to another API. */
const leaveTries = 2;

/** What a session tells, and asks, the rest of the scheduler. */
export interface SessionListener {
  registered(incarnation: number): void;
  /** Called once for each that was registered. Nothing that is held under it may start any more. */
  ended(incarnation: number): void;
  snapshot(incarnation: number): HeldSnapshot;
  /** Called before the heartbeat counts for the lease. */
  reconcile(answer: HeartbeatResponse, snapshot: HeldSnapshot, incarnation: number): void;
  /** A heartbeat is about to be sent; its answer may grant claims until the function returned is called. */
  beatBegins(): () => void;
  /** A heartbeat was acknowledged, and counts. */
  renewed(): void;
  isFeedLive(): boolean;
}

export interface SessionOptions {
  readonly client: ApiClient;
  readonly schedulerId: string;
  readonly timekeeper: Timekeeper;
  readonly listener: SessionListener;
  readonly logger: Logger;
}

/** One registration, as long as the API knows it. */
interface Registration {
  readonly incarnation: number;
  readonly leaseMs: number;
  readonly ending: AbortController;
}

/**
 * Who this scheduler is to the API. `run` goes round between two states:
 *
 * - registering: no incarnation; calls Register until it is answered;
 * - registered: beats, until somebody is told that the incarnation ended.
 */
export class Session {
  readonly #options: SessionOptions;
  #registration: Registration | undefined;
  readonly #processId = randomUUID();
  #isProcessStarted = true;
  #isDraining = false;
  #isLeaving = false;
  #failure: ApiError | undefined;
  /** Ends the wait for the next heartbeat. */
  #waiting: AbortController | undefined;
  #isBeatDue = false;
  #waiters = new Set<() => void>();

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get incarnation(): number | undefined {
    return this.#registration?.incarnation;
  }

  /** Why the last registration or heartbeat failed; undefined: it was acknowledged. */
  get failure(): ApiError | undefined {
    return this.#failure;
  }

  /** 0 before the first registration. */
  get leaseMs(): number {
    return this.#registration?.leaseMs ?? 0;
  }

  /**
   * @param expected the incarnation that must not have ended meanwhile
   * @throws ApiError UNAVAILABLE
   */
  requireIncarnation(expected?: number): number {
    const { incarnation } = this;
    if (incarnation === undefined) throw new ApiError(unavailableCode, "not registered");
    if (expected !== undefined && incarnation !== expected) throw new ApiError(unavailableCode, "registered anew");
    return incarnation;
  }

  /** Resolves with the incarnation and a signal that is aborted when it ends; undefined when the signal given is. */
  async registered(signal: AbortSignal): Promise<{ incarnation: number; ended: AbortSignal } | undefined> {
    while (this.#registration === undefined && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener("abort", wake);
          this.#waiters.delete(wake);
          resolve();
        };
        this.#waiters.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
    }
    const registration = this.#registration;
    if (registration === undefined || signal.aborted) return undefined;
    return { incarnation: registration.incarnation, ended: registration.ending.signal };
  }

  /** A call under an incarnation failed: perhaps because it has ended. */
  onCallFailed(incarnation: number, error: unknown): void {
    if (ApiError.from(error).isIncarnationEnded) this.#end(incarnation);
  }

  /** Beats at once, or right after the beat that is in flight. */
  beatSoon(): void {
    this.#isBeatDue = true;
    this.#waiting?.abort();
  }

  /** From now on beats say that nothing new is to be assigned. */
  drain(): void {
    this.#isDraining = true;
    this.beatSoon();
  }

  /** Sends the last heartbeat: the incarnation ends, and others take over at once. Tries another API after a failure. */
  async leave(signal: AbortSignal): Promise<void> {
    this.#isLeaving = true;
    for (let tries = 0; tries < leaveTries && !signal.aborted; tries += 1) if (await this.beat(signal)) return;
  }

  /** Until the signal is aborted, or the session has been left. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#isLeaving) {
      const registration = await this.#register(signal);
      if (registration === undefined) return;
      while (!signal.aborted && !this.#isLeaving && this.#registration === registration) {
        this.#isBeatDue = false;
        await this.beat(signal);
        await this.#waitForNextBeat(registration, signal);
      }
    }
  }

  /** Sends one heartbeat. A failure is logged, and the lease runs on. @returns false after a failure that another try may mend */
  async beat(signal: AbortSignal): Promise<boolean> {
    const registration = this.#registration;
    if (registration === undefined) return true;
    const { client, timekeeper, listener, logger } = this.#options;
    const { incarnation, leaseMs } = registration;
    const beatEnds = listener.beatBegins();
    try {
      const snapshot = listener.snapshot(incarnation);
      const sentAtMs = timekeeper.monotonicMs();
      const answer = await client.heartbeat(
        {
          incarnation,
          heldClaims: heldClaimsOf(snapshot),
          draining: this.#isDraining,
          leaving: this.#isLeaving,
        },
        { deadlineMs: beatDeadlineMs(leaseMs), signal },
      );
      this.#failure = undefined;
      if (this.#registration !== registration) return true;
      listener.reconcile(answer, snapshot, incarnation);
      timekeeper.acknowledged(sentAtMs, answer.serverTimeMs, leaseMs);
      listener.renewed();
      return true;
    } catch (err) {
      if (signal.aborted) return false;
      this.#failure = ApiError.from(err);
      logger[failureLevel(err)]({ err, incarnation }, "a heartbeat failed");
      this.onCallFailed(incarnation, err);
      return false;
    } finally {
      beatEnds();
    }
  }

  async #register(signal: AbortSignal): Promise<Registration | undefined> {
    const { client, schedulerId, timekeeper, listener, logger } = this.#options;
    const backoff = createBackoff({ initialMs: 50, maxMs: 1_000 });
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        const sentAtMs = timekeeper.monotonicMs();
        const { incarnation, leaseMs, serverTimeMs } = await client.register(
          { schedulerId, processId: this.#processId, processStarted: this.#isProcessStarted },
          { deadlineMs: registerDeadlineMs, signal },
        );
        this.#isProcessStarted = false;
        this.#failure = undefined;
        const registration = { incarnation, leaseMs, ending: new AbortController() };
        this.#registration = registration;
        logger.info({ incarnation, leaseMs }, "registered with the API");
        timekeeper.acknowledged(sentAtMs, serverTimeMs, leaseMs);
        listener.registered(incarnation);
        for (const wake of [...this.#waiters]) wake();
        return registration;
      } catch (error) {
        if (signal.aborted) return undefined;
        this.#failure = ApiError.from(error);
        const { message, code } = this.#failure;
        logger[attempt === 1 ? "warn" : "debug"]({ code, reason: message }, "waiting for the API");
      }
      await sleep(backoff.nextMs(), signal).catch(() => undefined);
    }
    return undefined;
  }

  #end(incarnation: number): void {
    const registration = this.#registration;
    if (registration?.incarnation !== incarnation) return;
    const { timekeeper, listener, logger } = this.#options;
    this.#registration = undefined;
    timekeeper.endLease();
    logger.warn({ incarnation }, "the API ended the incarnation; registering again");
    listener.ended(incarnation);
    registration.ending.abort();
    this.#waiting?.abort();
  }

  async #waitForNextBeat({ leaseMs }: Registration, signal: AbortSignal): Promise<void> {
    if (this.#isBeatDue || signal.aborted) return;
    const waiting = new AbortController();
    const wake = (): void => waiting.abort();
    signal.addEventListener("abort", wake, { once: true });
    this.#waiting = waiting;
    const intervalMs = Math.min(leaseMs / beatsPerLease, longestBeatIntervalMs);
    const waitMs = this.#options.listener.isFeedLive() ? intervalMs : Math.min(intervalMs, beatIntervalWithoutFeedMs);
    await sleep(waitMs, waiting.signal).catch(() => undefined);
    this.#waiting = undefined;
    signal.removeEventListener("abort", wake);
  }
}

/**
 * The time that an API has to answer a heartbeat. The scheduler leaves the API when it passes.
 *
 * The budget with the default lease of 5 s: let the API acknowledge a heartbeat that was sent at 0 s. Executions may start
 * until 4.5 s, the lease less its margin (see `Lease`). The next heartbeat is sent at 1 s and fails at 3.5 s at the latest.
 * So 1 s is left to connect to another API and to have a heartbeat acknowledged there. An API without its database ends
 * the feed before that, 2 s after it lost the database.
 *
 * Half a lease leaves some time with every lease from 2 s on. A shorter lease may run out first, because a busy machine
 * needs the shortest deadline. Executions that are due then start once another API acknowledges a heartbeat.
 */
function beatDeadlineMs(leaseMs: number): number {
  return Math.min(longestBeatDeadlineMs, Math.max(shortestBeatDeadlineMs, leaseMs / 2));
}

function heldClaimsOf({ claims }: HeldSnapshot) {
  return claims.map(({ taskId, scheduledTimeMs, fence }) => ({
    taskId,
    scheduledTimeMs: BigInt(scheduledTimeMs),
    fence,
  }));
}
