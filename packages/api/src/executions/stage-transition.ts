import { applyEffects, type Transition } from "@taskscheduler/domain";
import type { TaskCursor } from "../tasks/task-row.js";
import type { Stage } from "../writes/write-command.js";

/**
 * Stages what the ledger's state machine answered: the row, and the task where the transition moves it.
 *
 * @param task the execution's task as the command has left it so far; undefined: it is deleted
 * @returns the task as the transition leaves it
 */
export function stageTransition(
  { row, effects }: Transition,
  task: TaskCursor | undefined,
  stage: Stage,
): TaskCursor | undefined {
  // Most executions succeed at the first attempt. Their rows need a shorter statement.
  if (row.state === "SUCCEEDED" && row.attempts === "" && row.error === "") stage.endExecution(row);
  else stage.saveExecution(row);
  if (task === undefined) return undefined;
  const moved = applyEffects(task, row, effects);
  if (moved !== task) stage.moveTask(moved);
  return moved;
}
