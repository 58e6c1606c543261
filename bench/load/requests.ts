import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  CreateTaskRequestSchema,
  GetTaskRequestSchema,
  Recurrence,
  type Task,
  TaskSchema,
  TaskService,
} from "@taskscheduler/proto";

/** What a load sends, call by call. Data, so that it can be sent to another process. */
export type Requests =
  /** `GetTask` of ids drawn evenly from a range, both ends included. */
  | { readonly kind: "getTask"; readonly firstId: number; readonly lastId: number }
  /** `CreateTask` of tasks that are due in a year, with names that begin so. */
  | { readonly kind: "createTask"; readonly prefix: string };

const YEAR_MS = 365 * 86_400_000;

export function methodOf({ kind }: Requests) {
  return TaskService.method[kind];
}

/** Makes the request of a number. */
export function requestMaker(requests: Requests) {
  if (requests.kind === "getTask") {
    const size = requests.lastId - requests.firstId + 1;
    return () => create(GetTaskRequestSchema, { id: requests.firstId + Math.floor(Math.random() * size) });
  }
  const atMs = Date.now() + YEAR_MS;
  return (index: number) => create(CreateTaskRequestSchema, { task: farTask(`${requests.prefix} ${index}`, atMs) });
}

/** A task as many look: a name, a label, a recurrence. */
export function farTask(name: string, scheduledTimeMs: number): Task {
  return create(TaskSchema, {
    name,
    scheduledTime: timestampFromMs(scheduledTimeMs),
    recurrence: Recurrence.DAILY,
    timeZone: "Europe/Berlin",
    labels: { team: "a" },
    description: "sent by the bench",
  });
}
