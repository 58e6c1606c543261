import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Execution, ExecutionState, type WatchExecutionsResponse } from "@taskscheduler/proto";
import { createRandom, type Random } from "../setup/random.js";
import type { TaskClient } from "../setup/task-client.js";
import { followStream, type StreamFollower } from "./stream-follower.js";

/** One change of one execution, as the stream told it. */
export interface ToldExecution {
  readonly revision: number;
  readonly taskId: number;
  readonly scheduledTimeMs: number;
  readonly state: keyof typeof ExecutionState;
  readonly attempt: number;
  readonly schedulerId: string;
  /** When it came here, by this process's clock: no process of the product has a hand in it. */
  readonly arrivalMs: number;
}

export interface ExecutionWatcher extends StreamFollower {
  /** The changes after its first token, in the order they came. */
  readonly told: readonly ToldExecution[];
  readonly lastRevision: () => number;
  /** Of the last event, also of a bookmark. */
  readonly resumeToken: () => string;
}

export interface ExecutionWatcherOptions {
  readonly clients: readonly TaskClient[];
  /** Default: it begins with a snapshot, which it forgets. */
  readonly resumeToken?: string;
  readonly dropAfter?: number;
  readonly random?: Random;
}

/** Follows the changes of all executions; a revision that does not come after the last one is its fault. */
export function watchExecutions(options: ExecutionWatcherOptions): ExecutionWatcher {
  const { clients, resumeToken = "", dropAfter, random = createRandom("execution watcher") } = options;
  const told: ToldExecution[] = [];
  let lastRevision = -1;
  let token = resumeToken;

  function take({ event, revision, resumeToken: next }: WatchExecutionsResponse): void {
    const at = Number(revision);
    const isChange = event.case === "upserted" && token !== "";
    if (at < lastRevision || (isChange && at === lastRevision)) {
      throw new Error(`the watcher of executions was told revision ${at} after ${lastRevision}`);
    }
    if (isChange) told.push(toldOf(event.value, at));
    lastRevision = at;
    if (next !== "") token = next;
  }

  const follower = followStream<WatchExecutionsResponse>({
    ...{ clients, resumeToken, random, take },
    ...(dropAfter === undefined ? {} : { dropAfter }),
    open: (client, from) => client.executions.stream("watchExecutions", { resumeToken: from }),
  });
  return { ...follower, told, lastRevision: () => lastRevision, resumeToken: () => token };
}

function toldOf(execution: Execution, revision: number): ToldExecution {
  const { taskId, scheduledTime, state, attempt, schedulerId } = execution;
  if (scheduledTime === undefined) throw new Error("an execution lacks its scheduled time");
  return {
    ...{ revision, taskId, attempt, schedulerId },
    scheduledTimeMs: timestampMs(scheduledTime),
    state: ExecutionState[state] as keyof typeof ExecutionState,
    arrivalMs: Date.now(),
  };
}
