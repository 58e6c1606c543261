import { create } from "@bufbuild/protobuf";
import {
  DisarmedTasksSchema,
  DueOccurrencesSchema,
  type HeldClaim,
  type SubscribeResponse,
  SubscribeResponseSchema,
  WithdrawnClaimsSchema,
} from "@taskscheduler/proto";
import type { Due } from "./due-store.js";

/** What a run of changes means to a scheduler. Of several changes of one task the last one counts. */
export class FeedVerdicts {
  readonly withdrawn: HeldClaim[] = [];
  /** Of these, those whose run a user has cancelled. */
  readonly cancelled: HeldClaim[] = [];
  readonly recorded: Due[] = [];
  readonly #tasks = new Map<number, Due | undefined>();

  arm(due: Due): void {
    this.#tasks.set(due.taskId, due);
  }

  disarm(taskId: number): void {
    this.#tasks.set(taskId, undefined);
  }

  /** Tasks that are due within the window, by their own cursor. */
  armed(): Due[] {
    return [...this.#tasks.values()].filter((due) => due !== undefined);
  }

  *messages(): Generator<SubscribeResponse> {
    const claims = this.withdrawn;
    if (claims.length > 0) {
      const { cancelled } = this;
      yield message({ case: "withdrawn", value: create(WithdrawnClaimsSchema, { claims, cancelled }) });
    }
    const taskIds = [...this.#tasks].flatMap(([taskId, due]) => (due === undefined ? [taskId] : []));
    if (taskIds.length > 0) {
      yield message({ case: "disarmed", value: create(DisarmedTasksSchema, { taskIds }) });
    }
    const due = [...this.armed(), ...this.recorded];
    if (due.length > 0) yield dueMessage(due);
  }
}

export function dueMessage(occurrences: readonly Due[]): SubscribeResponse {
  const value = create(DueOccurrencesSchema, {
    occurrences: occurrences.map(({ taskId, scheduledTimeMs, recorded, runTimeMs }) => ({
      taskId,
      scheduledTimeMs: BigInt(scheduledTimeMs),
      recorded,
      ...(runTimeMs === undefined ? {} : { runTimeMs: BigInt(runTimeMs) }),
    })),
  });
  return message({ case: "due", value });
}

function message(event: SubscribeResponse["event"]): SubscribeResponse {
  return create(SubscribeResponseSchema, { event });
}
