import { create } from "@bufbuild/protobuf";
import { claimFence, type ExecutionRow, type Webhook } from "@taskscheduler/domain";
import { type Grant, GrantSchema } from "@taskscheduler/proto";
import { DELETED_TARGET, targetToProto } from "../targets/target-mapper.js";
import type { TaskCursor } from "../tasks/task-row.js";

/** Of what the grants of one answer call, about: it stays well below what a client takes. */
const MAX_TARGET_BYTES = 2 * 1024 * 1024;
/** Beside the webhook itself: names, and what is of a fixed size. */
const OTHER_TARGET_BYTES = 1_200;

/** @param task undefined: it is deleted @param webhook undefined: it is a reminder */
export function grantOf(row: ExecutionRow, task: TaskCursor | undefined, webhook: Webhook | undefined): Grant {
  const grant = create(GrantSchema, {
    taskId: row.taskId,
    scheduledTimeMs: BigInt(row.scheduledTimeMs),
    fence: claimFence(row),
    attempt: row.attempt,
  });
  if (row.retryTimeMs !== null) grant.runTimeMs = BigInt(row.retryTimeMs);
  if (task === undefined) grant.target = DELETED_TARGET;
  else if (webhook !== undefined) grant.target = targetToProto(webhook, task.timeoutMs, row);
  return grant;
}

/**
 * The tasks whose webhooks an answer has room for, and one at least; of a task for each of its occurrences once more. The
 * others are to be asked for again; to read all of them each time would take longer with each.
 *
 * @param tasks one for each occurrence, in their order
 */
export function webhooksWithin(tasks: Iterable<TaskCursor | undefined>): number[] {
  const calling = new Set<number>();
  let bytes = 0;
  for (const task of tasks) {
    if (!callsTarget(task)) continue;
    bytes += task.webhookBytes + OTHER_TARGET_BYTES;
    if (bytes > MAX_TARGET_BYTES && calling.size > 0) break;
    calling.add(task.id);
  }
  return [...calling];
}

/** What the targets of an answer's grants take so far, their bodies rendered. */
export class GrantedBytes {
  #bytes = 0;

  get isFull(): boolean {
    return this.#bytes >= MAX_TARGET_BYTES;
  }

  add(grant: Grant | undefined): void {
    const webhook = grant?.target?.webhook;
    if (webhook === undefined) return;
    const { url, body, headers } = webhook;
    this.#bytes += Buffer.byteLength(body) + url.length + JSON.stringify(headers).length + OTHER_TARGET_BYTES;
  }
}

/** It is no reminder. */
export function callsTarget(task: TaskCursor | undefined): task is TaskCursor {
  return task !== undefined && task.webhookBytes > 0;
}
