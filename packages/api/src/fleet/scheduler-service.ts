import type { ServiceImpl } from "@connectrpc/connect";
import type { HeartbeatRequest, HeldClaim, SchedulerService } from "@taskscheduler/proto";
import type { Logger } from "@taskscheduler/runtime";
import type { DatabaseClock } from "../database/database-clock.js";
import { executionKeyText } from "../executions/execution-row.js";
import type { WriteGroup } from "../writes/write-group.js";
import { type ClaimRules, claimCommand, grantOf, incarnationEnded } from "./claim-command.js";
import { findClaims } from "./due-store.js";
import { feed } from "./feed.js";
import type { FeedParts } from "./feed-cursor.js";
import { beat, register } from "./fleet-store.js";
import { reportCommand } from "./report-command.js";

const MAX_TOLD = 10_000;

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
    subscribe: ({ incarnation }, context) => feed(parts, incarnation, context.signal),
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
  return {
    adopt: claims.filter((claim) => !believed.has(`${executionKeyText(claim)}.${claim.fence}`)).map(grantOf),
    drop: heldClaims.filter((claim) => !known.has(textOf(claim))),
  };
}
