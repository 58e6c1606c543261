import {
  type BatchCreateTasksRequest,
  BatchCreateTasksRequestSchema,
  type BatchCreateTasksResponse,
  BatchCreateTasksResponseSchema,
  type BatchCreateTasksResult,
  type Status,
  type Task,
} from "@taskscheduler/proto";
import { commandBase, idempotentRequest } from "../writes/idempotency.js";
import type { AssignedIds, WriteCommand } from "../writes/write-command.js";
import { decideCreate } from "./task-decisions.js";
import { readTaskInput, type TaskInput } from "./task-input.js";
import { weightOf } from "./task-weight.js";

type Judged = { readonly input: TaskInput; readonly path: string } | { readonly error: unknown };

/** Each task is judged alone; those that are refused leave the others be. */
export function batchCreateCommand(
  request: BatchCreateTasksRequest,
  validateTask: (task: Task, path: string) => void,
  statusOf: (error: unknown) => Status,
): WriteCommand<BatchCreateTasksResponse> {
  const judged = request.tasks.map((task, index): Judged => {
    const path = `tasks[${index}]`;
    try {
      validateTask(task, path);
      return { input: readTaskInput(task, path), path };
    } catch (error) {
      return { error };
    }
  });
  const inputs = judged.flatMap((item) => ("input" in item ? [item.input] : []));
  const names = inputs.map((input) => input.name);
  const identity = idempotentRequest(BatchCreateTasksRequestSchema, BatchCreateTasksResponseSchema, request);
  const keys = names.map((name) => `name:${name}`);
  return {
    ...commandBase(identity, request.validateOnly, keys, weightOf(inputs)),
    needs: { names },
    decide(view, stage) {
      const taken = new Map(view.names);
      const results = judged.map((item): ((ids: AssignedIds) => BatchCreateTasksResult) => {
        try {
          if ("error" in item) throw item.error;
          const row = decideCreate(item.input, { ...view, names: taken }, item.path);
          taken.set(row.name, 0);
          stage.createTask(row);
          return (ids) => result({ case: "task", value: ids.created(row) });
        } catch (error) {
          const failed = result({ case: "error", value: statusOf(error) });
          return () => failed;
        }
      });
      return (ids) => ({
        $typeName: "taskscheduler.v1.BatchCreateTasksResponse",
        results: results.map((answer) => answer(ids)),
      });
    },
  };
}

function result(value: BatchCreateTasksResult["result"]): BatchCreateTasksResult {
  return { $typeName: "taskscheduler.v1.BatchCreateTasksResult", result: value };
}
