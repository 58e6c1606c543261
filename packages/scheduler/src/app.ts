import { type Failpoint, type Logger, type Registry, withFailpoints } from "@taskscheduler/runtime";
import { createAlarms } from "./alarms/alarms.js";
import type { ApiAddress } from "./api-client/api-address.js";
import { createApiClient } from "./api-client/api-client.js";
import { Endpoints } from "./api-client/endpoints.js";
import { ArmedOccurrences } from "./claims/armed-occurrences.js";
import { createClaimer } from "./claims/claimer.js";
import { HeldClaims } from "./claims/held-claims.js";
import { reconcile } from "./claims/reconcile.js";
import { SettledFences } from "./claims/settled-fences.js";
import { Subscription } from "./feed/subscription.js";
import { type Clock, systemClock } from "./lease/clock.js";
import { Session } from "./lease/session.js";
import { Timekeeper } from "./lease/timekeeper.js";
import { collectFrom, createSchedulerMetrics } from "./metrics.js";
import { createReporter } from "./reporter/reporter.js";
import { createExecutionRunner } from "./runner/execution-runner.js";
import type { RunLimits } from "./runner/run-limits.js";
import { createRunner } from "./runner/runner.js";
import { createLifecycle, type Rooms, type Scheduler } from "./scheduler.js";
import { createWebhookClient } from "./targets/webhook-client.js";
import type { WebhookProxy } from "./targets/webhook-proxy.js";
import type { WebhookSecrets } from "./targets/webhook-secrets.js";

export interface SchedulerOptions {
  /** gRPC addresses of the APIs, at least one. */
  readonly apiAddresses: readonly ApiAddress[];
  readonly schedulerId: string;
  readonly limits: RunLimits;
  /** Ranges that targets may be in although they are not public. */
  readonly targetAllowCidrs: readonly string[];
  readonly webhookSecrets: WebhookSecrets;
  /** Default: webhooks go out directly. */
  readonly webhookProxy?: WebhookProxy | undefined;
  /** What is in flight has this long when the scheduler is told to stop. */
  readonly shutdownGraceMs: number;
  readonly logger: Logger;
  readonly registry: Registry;
  /** Default: none. */
  readonly failpoints?: readonly Failpoint[];
  /** Default: the machine's. */
  readonly clock?: Clock;
}

/**
 * A claim is asked for this long before its time, so that the database is out of the moment of firing. Some twenty thousand
 * that are due at one instant are claimed by then.
 */
const claimAheadMs = 2_000;
const maxArmed = 1_000_000;

/** Puts the rooms together: told (feed) → due (alarms) → claimed → run → reported. */
export function createScheduler(options: SchedulerOptions): Scheduler {
  const { logger, registry, limits, schedulerId, clock = systemClock, failpoints = [] } = options;
  const metrics = createSchedulerMetrics(registry);
  const endpoints = new Endpoints({ addresses: options.apiAddresses, logger });
  const client = withFailpoints(createApiClient(endpoints), failpoints);
  const settled = new SettledFences();
  const timekeeper: Timekeeper = new Timekeeper({
    clock,
    logger,
    onStep: () => session.beatSoon(),
    onMoved: () => alarms.rearm(),
  });
  const alarms = createAlarms({
    clock: timekeeper,
    logger,
    onClaimDue: (occurrences) => claimer.claim(occurrences),
    onRunDue: (claims) => {
      for (const claim of claims) held.due(claim);
      runs.add(claims);
    },
  });
  const held: HeldClaims = new HeldClaims({
    settled,
    onArmed: (claim) => {
      claim.isAhead = timekeeper.nowMs() < claim.runTimeMs;
      alarms.runs.set(claim, claim.runTimeMs);
    },
    onGone: (claim) => {
      alarms.runs.delete(claim);
      claimer.resume();
    },
    onReport: (claim) => reporter.report(claim),
  });
  const armed = new ArmedOccurrences({
    maxArmed,
    isUnderWay: (key) => held.isUnderWay(key),
    onArmed: (occurrence) => alarms.claims.set(occurrence, occurrence.runTimeMs - claimAheadMs),
    onDisarmed: (occurrence) => {
      alarms.claims.delete(occurrence);
      claimer.forget(occurrence);
    },
    onFull: () => logger.debug({ maxArmed }, "an occurrence was left out: too many are armed"),
  });
  const listener = {
    registered: () => {
      claimer.resume();
      reporter.resume();
    },
    ended: (incarnation: number) => held.incarnationEnded(incarnation),
    snapshot: (incarnation: number) => held.snapshot(incarnation),
    reconcile: reconcile.bind(undefined, held),
    beatBegins: () => settled.callBegins(),
    renewed: () => runs.resume(),
    isFeedLive: () => feed.isLive,
  };
  const session: Session = new Session({ client, schedulerId, timekeeper, listener, logger });
  const claimer = createClaimer({ client, session, armed, held, settled, metrics, logger });
  const reporter = createReporter({ client, session, held, logger });
  const mayStart = (): boolean => session.incarnation !== undefined && timekeeper.mayStart();
  const nowMs = () => timekeeper.nowMs();
  const { targetAllowCidrs: allowCidrs, webhookSecrets: secrets, webhookProxy: proxy } = options;
  const webhooks = createWebhookClient({ allowCidrs, secrets, proxy, nowMs });
  const runner = createRunner(webhooks, nowMs);
  const runs = createExecutionRunner({ limits, mayStart, held, timekeeper, runner, reporter, metrics, logger });
  const feed = new Subscription({ client, session, armed, held, onChange: () => session.beatSoon(), logger });

  const rooms: Rooms = { client, timekeeper, session, feed, alarms, held, claimer, runs, reporter, webhooks };
  collectMetrics(registry, rooms);
  return createLifecycle(rooms, options.shutdownGraceMs, logger);
}

function collectMetrics(registry: Registry, { timekeeper, alarms, held, runs, feed }: Rooms): void {
  collectFrom(registry, {
    alarms: () => ({ claim: alarms.claims.size, run: alarms.runs.size }),
    held: () => held.size,
    runsWaiting: () => runs.waiting,
    runsInFlight: () => runs.inFlight,
    targetHosts: () => runs.hosts,
    reportsPending: () => held.endedSize,
    clockOffsetMs: () => timekeeper.offsetMs,
    leaseRemainingMs: () => timekeeper.leaseRemainingMs,
    feedAgeMs: () => feed.ageMs,
    feedRevision: () => feed.revision,
  });
}
