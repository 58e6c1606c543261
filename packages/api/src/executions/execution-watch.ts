import { create } from "@bufbuild/protobuf";
import { type ExecutionKey, type ExecutionRow, parseExecutionId } from "@taskscheduler/domain";
import {
  BookmarkSchema,
  type ExecutionChange,
  SnapshotCompleteSchema,
  type WatchExecutionsRequest,
  type WatchExecutionsResponse,
} from "@taskscheduler/proto";
import type { ChangeLog } from "../changes/change-log.js";
import { formatResumeToken } from "../changes/resume-token.js";
import { createSharedAnswers } from "../changes/shared-answers.js";
import { type WatchCall, type WatchItem, type WatchSource, watch } from "../changes/watch.js";
import type { Database } from "../database/database.js";
import { executionToProto } from "./execution-mapper.js";
import { pageUnfinished } from "./execution-store.js";

type ExecutionEvent = WatchExecutionsResponse["event"];

const BEFORE_ALL: ExecutionKey = { taskId: 0, scheduledTimeMs: 0 };

const sharedAnswer = createSharedAnswers<WatchExecutionsResponse>();

/** The stream of `WatchExecutions`. Ends only by its signal or an error. */
export function watchExecutions(
  database: Database,
  log: ChangeLog,
  request: WatchExecutionsRequest,
  call: WatchCall,
): AsyncGenerator<WatchExecutionsResponse> {
  return watch(database, log, executionSource(request.taskId), request.resumeToken, call);
}

function executionSource(taskId: number): WatchSource<ExecutionRow, ExecutionEvent, WatchExecutionsResponse> {
  const matches = (id: number | undefined) => taskId === 0 || id === taskId;
  return {
    page: (connection, last, limit) =>
      pageUnfinished(connection, last ?? BEFORE_ALL, limit, taskId === 0 ? undefined : taskId),
    rowEvent: (row) => ({ case: "snapshot", value: executionToProto(row) }),
    isWithin: (event, last) => event.kind === "EXECUTION" && !isAfter(event.change, last),
    changeEvent: (event) =>
      event.kind === "EXECUTION" && event.change.execution !== undefined && matches(event.change.execution.taskId)
        ? { case: "upserted", value: event.change.execution }
        : undefined,
    snapshotComplete: { case: "snapshotComplete", value: create(SnapshotCompleteSchema) },
    bookmark: { case: "bookmark", value: create(BookmarkSchema) },
    answer: (item, change) => (change === undefined ? toResponse(item) : sharedAnswer(change, () => toResponse(item))),
  };
}

function toResponse({ event, revision, epoch }: WatchItem<ExecutionEvent>): WatchExecutionsResponse {
  return {
    $typeName: "taskscheduler.v1.WatchExecutionsResponse",
    event,
    revision: BigInt(revision),
    resumeToken: epoch === undefined ? "" : formatResumeToken(epoch, revision),
  };
}

function isAfter(change: ExecutionChange, last: ExecutionKey): boolean {
  const key = parseExecutionId(change.execution?.id ?? "");
  if (key === undefined) return false;
  return key.taskId > last.taskId || (key.taskId === last.taskId && key.scheduledTimeMs > last.scheduledTimeMs);
}
