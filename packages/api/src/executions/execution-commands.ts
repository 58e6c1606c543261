import { type ExecutionKey, parseExecutionId } from "@taskscheduler/domain";
import {
  type CancelExecutionRequest,
  CancelExecutionRequestSchema,
  type CancelExecutionResponse,
  CancelExecutionResponseSchema,
  type RetryExecutionRequest,
  RetryExecutionRequestSchema,
  type RetryExecutionResponse,
  RetryExecutionResponseSchema,
} from "@taskscheduler/proto";
import { commandBase, idempotentRequest } from "../writes/idempotency.js";
import type { WriteCommand } from "../writes/write-command.js";
import { decideCancel, decideRetry, executionNotFound, executionOf } from "./execution-decisions.js";
import { executionToProto } from "./execution-mapper.js";

// What each request about executions needs to see, and writes.

export function cancelExecutionCommand(request: CancelExecutionRequest): WriteCommand<CancelExecutionResponse> {
  const key = keyOf(request.id);
  const identity = idempotentRequest(CancelExecutionRequestSchema, CancelExecutionResponseSchema, request);
  return {
    ...commandBase(identity, request.validateOnly, [`task:${key.taskId}`]),
    needs: { cursorsOf: [key.taskId] },
    executionsNeeded: () => [key],
    decide(view, stage) {
      const row = decideCancel(executionOf(view, key, request.id), view, stage);
      return () => ({ $typeName: "taskscheduler.v1.CancelExecutionResponse", execution: executionToProto(row) });
    },
  };
}

export function retryExecutionCommand(request: RetryExecutionRequest): WriteCommand<RetryExecutionResponse> {
  const key = keyOf(request.id);
  const identity = idempotentRequest(RetryExecutionRequestSchema, RetryExecutionResponseSchema, request);
  return {
    ...commandBase(identity, request.validateOnly, [`task:${key.taskId}`]),
    needs: { cursorsOf: [key.taskId] },
    executionsNeeded: () => [key],
    decide(view, stage) {
      const row = decideRetry(executionOf(view, key, request.id), new Map(view.cursors), stage);
      return () => answer({ execution: executionToProto(row), retriedCount: 1 });
    },
  };
}

/** Those of the keys that are still FAILED, and whose task is still there, run again. */
export function retryExecutionsCommand(
  request: RetryExecutionRequest,
  keys: readonly ExecutionKey[],
  hasMore: boolean,
): WriteCommand<RetryExecutionResponse> {
  const identity = idempotentRequest(RetryExecutionRequestSchema, RetryExecutionResponseSchema, request);
  const taskIds = [...new Set(keys.map((key) => key.taskId))];
  return {
    ...commandBase(
      identity,
      request.validateOnly,
      taskIds.map((id) => `task:${id}`),
      Math.max(1, keys.length),
    ),
    needs: { cursorsOf: taskIds },
    executionsNeeded: () => keys,
    decide(view, stage) {
      const tasks = new Map(view.cursors);
      let retriedCount = 0;
      for (const key of keys) {
        const row = view.execution(key);
        if (row?.state !== "FAILED" || !tasks.has(key.taskId)) continue;
        decideRetry(row, tasks, stage);
        retriedCount += 1;
      }
      return () => answer({ retriedCount, hasMore });
    },
  };
}

function answer(fields: Partial<RetryExecutionResponse>): RetryExecutionResponse {
  return { $typeName: "taskscheduler.v1.RetryExecutionResponse", retriedCount: 0, hasMore: false, ...fields };
}

/** Throws EXECUTION_NOT_FOUND: what is no id names nothing. */
function keyOf(id: string): ExecutionKey {
  const key = parseExecutionId(id);
  if (key === undefined) throw executionNotFound(id);
  return key;
}
