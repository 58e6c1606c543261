import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { TaskSchema } from "@taskscheduler/proto";
import type { Random } from "../setup/random.js";
import { type TaskClient, type TaskView, taskOf, viewOf } from "../setup/task-client.js";
import { untilAnswered } from "./resend.js";

/** What writers have been told, each by the one answer to each of its requests. */
export interface Written {
  /** The tasks that must be there, by id. */
  readonly tasks: readonly TaskView[];
  /** The changes that must have been made, as watchers are told them but without the revision. */
  readonly changes: readonly string[];
  /** Requests that were sent more than once. */
  readonly resent: number;
}

const FAR_MS = Date.now() + 30 * 24 * 60 * 60 * 1000;
const CALL_MS = 10_000;

/**
 * One writer for each client creates, renames and deletes tasks of its own under their etags, and sends each request
 * again until it is answered. A request that took effect twice would be refused, or seen in the stream.
 */
export async function writeAll(clients: readonly TaskClient[], requests: number, random: Random): Promise<Written> {
  const changes: string[] = [];
  const kept: TaskView[] = [];
  let resent = 0;

  async function answered<T>(send: () => Promise<T>): Promise<T> {
    const result = await untilAnswered(send);
    if (result.resent > 0) resent += 1;
    return result.answer;
  }

  async function write({ tasks }: TaskClient, writer: number): Promise<void> {
    const own: TaskView[] = [];
    const options = () => ({ deadline: Date.now() + CALL_MS });
    for (let count = 0; count < requests; count += 1) {
      const requestId = randomUUID();
      const name = `writer ${writer}, request ${count}`;
      const index = random.below(own.length);
      const current = own[index];
      const deed = current === undefined ? "create" : random.pick(["create", "update", "update", "delete"]);
      if (current === undefined || deed === "create") {
        const task = taskOf({ name, scheduledTimeMs: FAR_MS });
        const answer = await answered(() => tasks.unary("createTask", { task, requestId }, options()));
        own.push(viewOf(answer.task));
        changes.push(`upserted ${own.at(-1)?.etag}`);
      } else if (deed === "delete") {
        const { id, etag } = current;
        const answer = await answered(() => tasks.unary("deleteTask", { id, etag, requestId }, options()));
        expect(viewOf(answer.task)).toEqual(current);
        own.splice(index, 1);
        changes.push(`deleted ${id}`);
      } else {
        const task = create(TaskSchema, { id: current.id, etag: current.etag, name });
        const answer = await answered(() => tasks.unary("updateTask", { task, requestId }, options()));
        const updated = viewOf(answer.task);
        expect(updated).toEqual({ ...current, name, etag: updated.etag });
        own[index] = updated;
        changes.push(`upserted ${updated.etag}`);
      }
    }
    kept.push(...own);
  }

  await Promise.all(clients.map(write));
  return { tasks: kept.sort((a, b) => a.id - b.id), changes, resent };
}
