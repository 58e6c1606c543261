import { type Logger, type Part, type Readiness, sleep } from "@taskscheduler/runtime";
import type { Alarms } from "./alarms/alarms.js";
import type { ApiClient } from "./api-client/api-client.js";
import type { Claimer } from "./claims/claimer.js";
import type { HeldClaim } from "./claims/held-claim.js";
import type { HeldClaims } from "./claims/held-claims.js";
import type { Subscription } from "./feed/subscription.js";
import type { Session } from "./lease/session.js";
import type { Timekeeper } from "./lease/timekeeper.js";
import { notReadyReasons } from "./readiness.js";
import type { Reporter } from "./reporter/reporter.js";
import type { RunQueue } from "./runner/run-queue.js";
import type { WebhookClient } from "./targets/webhook-client.js";

/** Claims are asked for two seconds ahead: what is held when the process is told to stop is due by then. */
const drainMs = 2_500;
/** Of the grace, to tell the API of calls that had to be broken off, and that this scheduler has gone. */
const reportMs = 2_000;
const reportShare = 0.2;
const pollMs = 20;
const tickMs = 1_000;

export interface Rooms {
  readonly client: ApiClient;
  readonly timekeeper: Timekeeper;
  readonly session: Session;
  readonly feed: Subscription;
  readonly alarms: Alarms;
  readonly held: HeldClaims;
  readonly claimer: Claimer;
  readonly runs: RunQueue<HeldClaim>;
  readonly reporter: Reporter;
  readonly webhooks: WebhookClient;
}

export interface Scheduler extends Part {
  /** It is registered, the feed is live, the lease is valid, and nobody told it to stop. */
  readonly readiness: Readiness;
}

/**
 * Starts and stops the rooms. States: new, running, draining (no new claims; what falls due in the next moments runs and
 * is reported), stopped.
 */
export function createLifecycle(rooms: Rooms, shutdownGraceMs: number, logger: Logger): Scheduler {
  const { client, timekeeper, session, feed, alarms, claimer, runs, reporter, webhooks } = rooms;
  const ending = new AbortController();
  let running: Promise<unknown> | undefined;
  let ticker: NodeJS.Timeout | undefined;
  let stopped: Promise<void> | undefined;

  const stop = async (signal: AbortSignal): Promise<void> => {
    const patienceMs = shutdownGraceMs - Math.min(reportMs, reportShare * shutdownGraceMs);
    if (running !== undefined) await drain(rooms, patienceMs, logger, signal);
    ending.abort();
    clearInterval(ticker);
    claimer.stop();
    reporter.stop();
    alarms.stop();
    runs.stop();
    await webhooks.close();
    client.close();
    await running;
  };
  return {
    name: "scheduler",
    async start() {
      if (running !== undefined || stopped !== undefined) return;
      ticker = setInterval(() => timekeeper.tick(), tickMs);
      running = Promise.all([session.run(ending.signal), feed.run(ending.signal)]);
    },
    stop(signal) {
      stopped ??= stop(signal);
      return stopped;
    },
    readiness: () => (stopped === undefined ? notReadyReasons(rooms) : ["the process is stopping"]),
  };
}

/** @param patienceMs what still runs after that is broken off, for another scheduler to run again */
async function drain(
  { session, held, claimer, webhooks }: Rooms,
  patienceMs: number,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const beganMs = performance.now();
  const patienceEndsMs = beganMs + patienceMs;
  claimer.stop();
  session.drain();
  const isIdle = (): boolean => held.size === 0 && claimer.callsInFlight() === 0;
  await waitUntil(isIdle, Math.min(beganMs + drainMs, patienceEndsMs), signal);
  const left = held.close();
  if (left > 0) logger.info({ claims: left }, "claims are left to other schedulers");
  await waitUntil(() => held.size === 0, patienceEndsMs, signal);
  if (held.size > 0) {
    logger.info({ executions: held.size }, "what still runs is broken off, and made again by other schedulers");
    await webhooks.close();
    await waitUntil(() => held.size === 0, Number.POSITIVE_INFINITY, signal);
  }
  if (held.size > 0) logger.warn({ executions: held.size }, "executions ended or run, and the API does not know how");
  // Holds nothing any more, and says so; its own deadline is half a lease.
  await session.leave(signal);
}

/**
 * Until the condition holds, the time has come, or the signal is aborted. By a clock that is looked at: Node 20 lets
 * `AbortSignal.timeout` within `AbortSignal.any` be collected, which then never comes (nodejs/node#57736).
 */
async function waitUntil(isTrue: () => boolean, untilMs: number, signal: AbortSignal): Promise<void> {
  while (!isTrue() && !signal.aborted && performance.now() < untilMs)
    await sleep(pollMs, signal).catch(() => undefined);
}
