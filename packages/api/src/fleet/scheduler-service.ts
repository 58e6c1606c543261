import type { ServiceImpl } from "@connectrpc/connect";
import {
  claimFence,
  type ExecutionKey,
  executionKeyText,
  isHeld,
  MAX_TIME_MS,
  MIN_TIME_MS,
  phaseOf,
} from "@taskscheduler/domain";
import type { Grant, HeartbeatRequest, HeldClaim, SchedulerService } from "@taskscheduler/proto";
import type { Logger } from "@taskscheduler/runtime";
import type { Database } from "../database/database.js";
import type { DatabaseClock } from "../database/database-clock.js";
import { findExecutions } from "../executions/execution-store.js";
import { orderlyEnd } from "../policies/orderly-end.js";
import { untilAborted } from "../policies/until-aborted.js";
import { findCursors, findWebhooks } from "../tasks/task-store.js";
import type { WriteGroup } from "../writes/write-group.js";
import { type ClaimRules, claimCommand, incarnationEnded } from "./claim-command.js";
import { findClaims } from "./due-store.js";
import { feed } from "./feed.js";
import type { FeedParts } from "./feed-cursor.js";
import { beat, register } from "./fleet-store.js";
import { callsTarget, GrantedBytes, grantOf, webhooksWithin } from "./grant.js";
import { reportCommand } from "./report-command.js";

const MAX_TOLD = 10_000;
/** Claims that one heartbeat looks at more closely. */
const MAX_LOOKED_AT = 1_000;

export interface SchedulerServiceParts extends FeedParts {
  readonly clock: DatabaseClock;
  readonly writes: WriteGroup;
  readonly rules: ClaimRules;
  readonly leaseMs: number;
  readonly logger: Logger;
}

export function createSchedulerService(parts: SchedulerServiceParts): ServiceImpl<typeof SchedulerService> {
  const { database, clock, fleet, writes, rules, leaseMs, logger } = parts;
  /** Tasks whose defect has been told: they are tried again with every sweep. */
  const told = new Set<number>();
  const onDefect = (err: unknown, taskId: number): void => {
    if (told.has(taskId)) return;
    if (told.size >= MAX_TOLD) told.clear();
    told.add(taskId);
    logger.error({ err, taskId }, "an occurrence cannot be judged; it is not run");
  };
  return {
    async register({ schedulerId, processId, processStarted }) {
      await fleet.refresh();
      if (processStarted) fleet.expectSuccessor(schedulerId);
      const incarnation = await database.guarded(() =>
        database.withConnection((connection) =>
          register(connection, { schedulerId, processId, leaseMs }, clock.nowMs()),
        ),
      );
      await fleet.refresh();
      logger.info({ schedulerId, incarnation }, "a scheduler registered");
      return { incarnation, leaseMs, serverTimeMs: clock.preciseNowMs() };
    },
    async heartbeat(request) {
      const reconciled = await reconcile(parts, request);
      if (request.leaving) await fleet.refresh();
      return { ...reconciled, serverTimeMs: clock.preciseNowMs() };
    },
    // A scheduler can subscribe anew at any moment, so a feed ends at once.
    subscribe: ({ incarnation }, { signal, values }) =>
      untilAborted(feed(parts, incarnation, signal), values.get(orderlyEnd)),
    claimExecutions: (request, { signal }) => writes.submit(claimCommand(request, rules, onDefect), signal),
    reportExecutions: (request, { signal }) => writes.submit(reportCommand(request), signal),
  };
}

/** Open claims in both directions: those the scheduler holds without knowing, and those it believes to hold. */
async function reconcile({ database }: SchedulerServiceParts, request: HeartbeatRequest) {
  const { incarnation, heldClaims } = request;
  const state = request.leaving ? "ENDED" : request.draining ? "DRAINING" : "LIVE";
  const claims = await database.guarded(() =>
    database.withConnection(async (connection) => {
      const isAlive = await beat(connection, incarnation, state);
      return isAlive ? findClaims(connection, incarnation) : undefined;
    }),
  );
  if (claims === undefined) throw incarnationEnded(incarnation);
  const textOf = (claim: HeldClaim) =>
    `${executionKeyText({ taskId: claim.taskId, scheduledTimeMs: Number(claim.scheduledTimeMs) })}.${claim.fence}`;
  const believed = new Set(heldClaims.map(textOf));
  const known = new Set(claims.map((claim) => `${executionKeyText(claim)}.${claim.fence}`));
  const unknown = claims.filter((claim) => !believed.has(`${executionKeyText(claim)}.${claim.fence}`));
  const drop = heldClaims.filter((claim) => !known.has(textOf(claim)));
  return { adopt: await grantsOf(database, incarnation, unknown), drop, cancelled: await cancelledOf(database, drop) };
}

/** Claims whose answer was lost: few, and the rest with the next heartbeat. */
async function grantsOf(database: Database, incarnation: number, keys: readonly ExecutionKey[]): Promise<Grant[]> {
  if (keys.length === 0) return [];
  return database.guarded(() =>
    database.withConnection(async (connection) => {
      const found = await findExecutions(connection, keys.slice(0, MAX_LOOKED_AT), { lock: false });
      // Others were reported, or taken away, since they were looked for.
      const rows = found.filter((row) => row.incarnation === incarnation && isHeld(row.state));
      const tasks = await findCursors(connection, [...new Set(rows.map((row) => row.taskId))]);
      const calling = webhooksWithin(rows.map((row) => tasks.get(row.taskId)));
      const webhooks = await findWebhooks(connection, calling);
      const granted = new GrantedBytes();
      return rows.flatMap((row) => {
        const [task, webhook] = [tasks.get(row.taskId), webhooks.get(row.taskId)];
        if (callsTarget(task) && (webhook === undefined || granted.isFull)) return [];
        const grant = grantOf(row, task, webhook);
        granted.add(grant);
        return [grant];
      });
    }),
  );
}

/** The dropped claims whose run a user cancelled: their holder is to abort it. */
async function cancelledOf(database: Database, dropped: readonly HeldClaim[]): Promise<HeldClaim[]> {
  if (dropped.length === 0) return [];
  const claims = dropped.filter(isOfSomeTime).slice(0, MAX_LOOKED_AT);
  const keys = claims.map((claim) => ({ taskId: claim.taskId, scheduledTimeMs: Number(claim.scheduledTimeMs) }));
  const rows = await database.guarded(() =>
    database.withConnection((connection) => findExecutions(connection, keys, { lock: false })),
  );
  const cancelled = new Map(
    rows.filter((row) => phaseOf(row) === "CANCELLED").map((row) => [executionKeyText(row), row]),
  );
  return claims.flatMap((claim, index) => {
    const row = cancelled.get(executionKeyText(keys[index] as ExecutionKey));
    return row !== undefined && claimFence(row) === claim.fence ? [{ ...claim, fence: row.fence }] : [];
  });
}

/** What is no time names no execution. */
function isOfSomeTime({ scheduledTimeMs }: HeldClaim): boolean {
  return scheduledTimeMs >= MIN_TIME_MS && scheduledTimeMs <= MAX_TIME_MS;
}
