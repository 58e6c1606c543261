import { create } from "@bufbuild/protobuf";
import {
  BookmarkSchema,
  DeletedTaskSchema,
  SnapshotCompleteSchema,
  type Task,
  TaskChangeKind,
  type WatchTasksRequest,
  type WatchTasksResponse,
} from "@taskscheduler/proto";
import type { ChangeEvent } from "../changes/change-event.js";
import type { ChangeLog } from "../changes/change-log.js";
import { formatResumeToken } from "../changes/resume-token.js";
import { createSharedAnswers } from "../changes/shared-answers.js";
import { type WatchCall, type WatchItem, type WatchSource, watch } from "../changes/watch.js";
import type { Database } from "../database/database.js";
import { taskToProto } from "./task-mapper.js";
import type { TaskRow } from "./task-row.js";
import { countPageTasks, pageTasks } from "./task-store.js";

type TaskEvent = WatchTasksResponse["event"];
type Labels = Readonly<Record<string, string>>;

const sharedAnswer = createSharedAnswers<WatchTasksResponse>();

/** The stream of `WatchTasks`. Ends only by its signal or an error. */
export function watchTasks(
  database: Database,
  log: ChangeLog,
  request: WatchTasksRequest,
  call: WatchCall,
): AsyncGenerator<WatchTasksResponse> {
  return watch(database, log, taskSource(request.labelFilter), request.resumeToken, call);
}

function taskSource(filter: Labels): WatchSource<TaskRow, TaskEvent, WatchTasksResponse> {
  const wanted = Object.entries(filter);
  const matches = (labels: Labels) =>
    wanted.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
  return {
    pageSize: (connection, last, bounds) => countPageTasks(connection, last?.id ?? 0, bounds),
    page: (connection, last, limit) => pageTasks(connection, last?.id ?? 0, limit),
    rowEvent: (row) => (matches(row.labels) ? { case: "snapshot", value: taskToProto(row) } : undefined),
    isWithin: (event, last) => event.kind === "TASK" && (event.change.task?.id ?? 0) <= last.id,
    changeEvent: (event) => taskEvent(event, matches),
    snapshotComplete: { case: "snapshotComplete", value: create(SnapshotCompleteSchema) },
    bookmark: { case: "bookmark", value: create(BookmarkSchema) },
    // Whether a change is told as a deletion is a matter of the filter.
    answer: (item, change) =>
      change !== undefined && item.event.case === "upserted"
        ? sharedAnswer(change, () => toResponse(item))
        : toResponse(item),
  };
}

function toResponse({ event, revision, epoch }: WatchItem<TaskEvent>): WatchTasksResponse {
  return {
    $typeName: "taskscheduler.v1.WatchTasksResponse",
    event,
    revision: BigInt(revision),
    resumeToken: epoch === undefined ? "" : formatResumeToken(epoch, revision),
  };
}

function taskEvent(event: ChangeEvent, matches: (labels: Labels) => boolean): TaskEvent | undefined {
  if (event.kind !== "TASK") return undefined;
  const { task, kind, previousLabels } = event.change;
  if (task === undefined) return undefined;
  if (kind === TaskChangeKind.DELETED) return matches(task.labels) ? deleted(task) : undefined;
  if (matches(task.labels)) return { case: "upserted", value: task };
  return kind === TaskChangeKind.UPDATED && matches(previousLabels) ? deleted(task) : undefined;
}

function deleted(task: Task): TaskEvent {
  return { case: "deleted", value: create(DeletedTaskSchema, { id: task.id }) };
}
