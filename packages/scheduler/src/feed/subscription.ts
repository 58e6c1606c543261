import { setImmediate as nextTurn } from "node:timers/promises";
import type { DueOccurrence, FeedWindow, SubscribeResponse } from "@taskscheduler/proto";
import { createBackoff, type Logger, sleep } from "@taskscheduler/runtime";
import type { ApiClient } from "../api-client/api-client.js";
import { ApiError, causeToLeave, deadlineExceededCode, failureLevel } from "../api-client/api-error.js";
import type { ArmedOccurrences } from "../claims/armed-occurrences.js";
import type { HeldClaims } from "../claims/held-claims.js";
import { occurrenceKey } from "../claims/occurrence-key.js";
import type { Session } from "../lease/session.js";

/** Maximum silence of a feed. The API sends a window every 2 s. */
const longestSilenceMs = 10_000;
/** Occurrences are armed in pieces, so that runs come in between. */
const occurrencesPerTurn = 2_000;

export interface SubscriptionOptions {
  readonly client: ApiClient;
  readonly session: Session;
  readonly armed: ArmedOccurrences;
  readonly held: HeldClaims;
  /** The stream was cut, or is complete again. */
  readonly onChange: () => void;
  readonly logger: Logger;
}

/**
 * The feed of what falls due. `run` goes round:
 *
 * - waiting: for an incarnation, or for the backoff to end;
 * - open: the stream sends everything that falls due soon;
 * - live: from its first window on.
 */
export class Subscription {
  readonly #options: SubscriptionOptions;
  readonly #backoff = createBackoff({ initialMs: 50, maxMs: 1_000 });
  #isLive = false;
  #windowAtMs = performance.now();
  #revision = 0;
  #failure: ApiError | undefined;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  /** Why the last subscription ended; undefined: it is live, or has not failed. */
  get failure(): ApiError | undefined {
    return this.#failure;
  }

  /** Since the last window; since the beginning, where there was none yet. */
  get ageMs(): number {
    return performance.now() - this.#windowAtMs;
  }

  /** Of the last window. */
  get revision(): number {
    return this.#revision;
  }

  /** Until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { session, logger } = this.#options;
    while (!signal.aborted) {
      const registration = await session.registered(signal);
      if (registration === undefined) return;
      const { incarnation, ended } = registration;
      try {
        await this.#follow(incarnation, ended, signal);
        logger.debug({ incarnation }, "the feed ended; the API shares the work out anew");
      } catch (error) {
        if (!signal.aborted) this.#logFailure(error, incarnation);
        this.#failure = ApiError.from(error);
        session.onCallFailed(incarnation, error);
      }
      if (this.#isLive) {
        this.#isLive = false;
        this.#options.onChange();
      }
      await sleep(this.#backoff.nextMs(), signal).catch(() => undefined);
    }
  }

  async #follow(incarnation: number, ended: AbortSignal, signal: AbortSignal): Promise<void> {
    const { client, armed } = this.#options;
    const cut = new AbortController();
    const cutNow = (): void => cut.abort();
    const silence = new ApiError(deadlineExceededCode, `the feed was silent for ${longestSilenceMs} ms`);
    const watchdog = setTimeout(() => cut.abort(silence), longestSilenceMs);
    for (const each of [ended, signal]) each.addEventListener("abort", cutNow, { once: true });
    if (ended.aborted || signal.aborted) cutNow();
    armed.beginGeneration();
    try {
      for await (const event of client.subscribe({ incarnation }, cut.signal)) {
        watchdog.refresh();
        if (event.event.case === "window") {
          this.#windowArrived(event.event.value);
        } else {
          await this.#take(event, cut.signal);
        }
      }
    } finally {
      clearTimeout(watchdog);
      for (const each of [ended, signal]) each.removeEventListener("abort", cutNow);
    }
  }

  #windowArrived({ boundMs, shards, revision }: FeedWindow): void {
    const { armed, logger, onChange } = this.#options;
    this.#windowAtMs = performance.now();
    this.#revision = Number(revision);
    armed.confirmBefore(Number(boundMs));
    if (this.#isLive) return;
    this.#isLive = true;
    this.#failure = undefined;
    this.#backoff.reset();
    logger.info({ shards: shards.length, armed: armed.size }, "subscribed to what falls due");
    onChange();
  }

  async #take({ event }: SubscribeResponse, cut: AbortSignal): Promise<void> {
    const { armed, held } = this.#options;
    switch (event.case) {
      case "due":
        return this.#arm(event.value.occurrences, cut);
      case "disarmed":
        for (const taskId of event.value.taskIds) armed.disarm(taskId);
        return;
      case "withdrawn":
        for (const { taskId, scheduledTimeMs, fence } of event.value.claims) {
          held.withdraw(occurrenceKey(taskId, Number(scheduledTimeMs)), fence);
        }
        for (const { taskId, scheduledTimeMs, fence } of event.value.cancelled) {
          held.cancel(occurrenceKey(taskId, Number(scheduledTimeMs)), fence);
        }
    }
  }

  async #arm(occurrences: readonly DueOccurrence[], cut: AbortSignal): Promise<void> {
    for (const [index, { taskId, scheduledTimeMs, recorded, runTimeMs }] of occurrences.entries()) {
      if (index % occurrencesPerTurn === 0 && index > 0) {
        await nextTurn();
        if (cut.aborted) return;
      }
      this.#options.armed.arm(taskId, Number(scheduledTimeMs), recorded, Number(runTimeMs ?? scheduledTimeMs));
    }
  }

  #logFailure(err: unknown, incarnation: number): void {
    const { logger } = this.#options;
    if (causeToLeave(err) === "aged") logger.debug({ incarnation }, "the API ended the connection for its age");
    else if (this.#isLive) logger.warn({ err, incarnation }, "the feed was cut; subscribing again");
    else logger[failureLevel(err)]({ err, incarnation }, "the feed failed");
  }
}
