import type { ServiceImpl } from "@connectrpc/connect";
import { fieldError, parseExecutionId } from "@taskscheduler/domain";
import type {
  ExecutionService,
  RetryExecutionRequest,
  RetryExecutionResponse,
  SummarizeExecutionsRequest,
  SummarizeExecutionsResponse,
} from "@taskscheduler/proto";
import type { ChangeLog } from "../changes/change-log.js";
import type { Database, SqlConnection } from "../database/database.js";
import type { Clock } from "../database/database-clock.js";
import type { WriteGroup } from "../writes/write-group.js";
import { cancelExecutionCommand, retryExecutionCommand, retryExecutionsCommand } from "./execution-commands.js";
import { executionNotFound } from "./execution-decisions.js";
import { executionToProto } from "./execution-mapper.js";
import type { ExecutionQueries } from "./execution-query-store.js";
import { SLOT_MS } from "./execution-stats.js";
import { countTaskExecutions, readStats } from "./execution-stats-store.js";
import { createExecutionSummary } from "./execution-summary.js";
import { watchExecutions } from "./execution-watch.js";
import { statReads } from "./stat-reads.js";
import { readSummaryInterval } from "./summary-interval.js";

/** In one call: what a group of writes takes at once. */
const MAX_RETRIED = 1_000;

export interface ExecutionServiceParts {
  readonly database: Database;
  readonly writes: WriteGroup;
  readonly clock: Clock;
  readonly queries: ExecutionQueries;
  readonly log: ChangeLog;
}

export function createExecutionService(parts: ExecutionServiceParts): ServiceImpl<typeof ExecutionService> {
  const { queries, writes } = parts;
  return {
    async getExecution({ id }) {
      const key = parseExecutionId(id);
      const row = key === undefined ? undefined : await queries.get(key);
      if (row === undefined) throw executionNotFound(id);
      return { execution: executionToProto(row) };
    },
    async listExecutions(request, { signal }) {
      const page = await queries.list(request, signal);
      return {
        executions: page.executions.map(executionToProto),
        nextPageToken: page.nextPageToken,
        totalSize: page.totalSize,
      };
    },
    cancelExecution: async (request, { signal }) => writes.submit(cancelExecutionCommand(request), signal),
    retryExecution: (request, { signal }) => retry(parts, request, signal),
    summarizeExecutions: (request, { signal }) => summarize(parts, request, signal),
    watchExecutions: (request, context) => watchExecutions(parts.database, parts.log, request, context),
  };
}

async function retry(
  { queries, writes }: ExecutionServiceParts,
  request: RetryExecutionRequest,
  signal: AbortSignal,
): Promise<RetryExecutionResponse> {
  const { id, filter } = request;
  if ((id === "") === (filter === undefined)) {
    throw fieldError("id", "set either id, of one execution, or filter, of those that match");
  }
  if (filter === undefined) return writes.submit(retryExecutionCommand(request), signal);
  const { keys, hasMore } = await queries.failed(filter, MAX_RETRIED, signal);
  return writes.submit(retryExecutionsCommand(request, keys, hasMore), signal);
}

async function summarize(
  { database, clock }: ExecutionServiceParts,
  request: SummarizeExecutionsRequest,
  signal: AbortSignal,
): Promise<SummarizeExecutionsResponse> {
  const interval = readSummaryInterval(request, clock.nowMs());
  const { taskId, startMs, endMs, bucketMs } = interval;
  const summary = createExecutionSummary(interval);
  const count = (connection: SqlConnection): Promise<void> => {
    if (taskId !== undefined) return countTaskExecutions(connection, taskId, interval, summary.add);
    const reads = statReads({ from: startMs / SLOT_MS, to: endMs / SLOT_MS }, bucketMs / SLOT_MS);
    return readStats(connection, reads, summary.add);
  };
  await database.query(() => database.withConnection(count), signal);
  return summary.toProto();
}
