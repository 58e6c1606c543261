import { inStatements } from "../database/statement-size.js";
import type { Statement } from "../database/statements.js";
import type { StagedTaskChange } from "../writes/write-stage.js";
import type { TaskRow } from "./task-row.js";

/** A row of `task_labels`: what `tasks.labels` says, once more, to find tasks by. */
interface TaskLabel {
  readonly name: string;
  readonly value: string;
  readonly taskId: number;
}

/**
 * What changes of tasks, which are locked, mean for the labels they are found by. Those of a deleted task go with it.
 *
 * @param idOf of a task that was created; most have no labels and are not asked for
 */
export function labelStatements(changes: readonly StagedTaskChange[], idOf: (row: TaskRow) => number): Statement[] {
  const removed: TaskLabel[] = [];
  const set: TaskLabel[] = [];
  for (const change of changes) {
    if (change.kind === "CREATED") set.push(...labelsOf(change.row, idOf));
    if (change.kind !== "UPDATED" || change.row.labels === change.previous.labels) continue;
    set.push(...labelsOf(change.row));
    removed.push(...labelsOf(change.previous).filter(({ name }) => !Object.hasOwn(change.row.labels, name)));
  }
  return [
    ...inStatements(removed, bytesOf).map((part) => ({
      sql: `DELETE task_labels FROM task_labels FORCE INDEX (PRIMARY)
        WHERE (task_id, name) IN (${part.map(() => "(?,?)").join(",")})`,
      values: part.flatMap(({ taskId, name }) => [taskId, name]),
      bytes: sumOf(part),
    })),
    ...inStatements(set, bytesOf).map((part) => ({
      sql: `INSERT INTO task_labels (task_id, name, value) VALUES ${part.map(() => "(?,?,?)").join(",")}
        ON DUPLICATE KEY UPDATE value = VALUES(value)`,
      values: part.flatMap(({ taskId, name, value }) => [taskId, name, value]),
      bytes: sumOf(part),
    })),
  ];
}

function labelsOf(task: TaskRow, idOf = (row: TaskRow) => row.id): TaskLabel[] {
  return Object.entries(task.labels).map(([name, value]) => ({ name, value, taskId: idOf(task) }));
}

function sumOf(labels: readonly TaskLabel[]): number {
  return labels.reduce((sum, label) => sum + bytesOf(label), 0);
}

function bytesOf({ name, value }: TaskLabel): number {
  return name.length + 4 * value.length + 32;
}
