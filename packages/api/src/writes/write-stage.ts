import { type ExecutionRow, executionKeyText } from "@taskscheduler/domain";
import type { MovedTask, TaskRow } from "../tasks/task-row.js";
import type { Stage } from "./write-command.js";

export type StagedTaskChange =
  | { readonly kind: "CREATED"; readonly row: TaskRow }
  | { readonly kind: "UPDATED"; readonly row: TaskRow; readonly previous: TaskRow }
  | { readonly kind: "DELETED"; readonly row: TaskRow };

/** Collects what commands write; the last word on a row counts. */
export class WriteStage implements Stage {
  readonly taskChanges: StagedTaskChange[] = [];
  readonly moves = new Map<number, MovedTask>();
  /** Written whole. */
  readonly executions = new Map<string, ExecutionRow>();
  /** Of which the state and the times are written. */
  readonly endings = new Map<string, ExecutionRow>();

  createTask(row: TaskRow): void {
    this.taskChanges.push({ kind: "CREATED", row });
  }

  updateTask(row: TaskRow, previous: TaskRow): void {
    this.taskChanges.push({ kind: "UPDATED", row, previous });
  }

  deleteTask(row: TaskRow): void {
    this.taskChanges.push({ kind: "DELETED", row });
  }

  moveTask(row: MovedTask): void {
    this.moves.set(row.id, row);
  }

  saveExecution(row: ExecutionRow): void {
    const key = executionKeyText(row);
    this.endings.delete(key);
    this.executions.set(key, row);
  }

  endExecution(row: ExecutionRow): void {
    const key = executionKeyText(row);
    if (this.executions.has(key)) this.executions.set(key, row);
    else this.endings.set(key, row);
  }

  clear(): void {
    this.taskChanges.length = 0;
    this.moves.clear();
    this.executions.clear();
    this.endings.clear();
  }

  /** Takes over what another stage holds. */
  add(other: WriteStage): void {
    this.taskChanges.push(...other.taskChanges);
    for (const [id, row] of other.moves) this.moves.set(id, row);
    for (const row of other.executions.values()) this.saveExecution(row);
    for (const row of other.endings.values()) this.endExecution(row);
  }
}
