import { MAX_TIME_MS, MIN_TIME_MS } from "../time/time-range.js";

const MAX_TASK_ID = 0xffff_ffff;
const EXECUTION_ID = /^([1-9]\d{0,9})\.(0|-?[1-9]\d{0,14})$/;

/**
 * The id of the execution of one occurrence: `<taskId>.<epoch ms>`, the same at every attempt and on every process, so
 * that it needs no column and no index of its own.
 */
export function formatExecutionId(taskId: number, scheduledTimeMs: number): string {
  return `${taskId}.${scheduledTimeMs}`;
}

/**
 * Reads what {@link formatExecutionId} wrote. Only the canonical form is an id (no leading zeros, no plus, no `-0`), so
 * that two texts never name one execution. Undefined for anything else, a task id beyond uint32 and a time beyond the
 * years 0001 to 9999.
 */
export function parseExecutionId(text: string): { taskId: number; scheduledTimeMs: number } | undefined {
  const match = EXECUTION_ID.exec(text);
  if (match === null) return undefined;
  const taskId = Number(match[1]);
  const scheduledTimeMs = Number(match[2]);
  if (taskId > MAX_TASK_ID || scheduledTimeMs < MIN_TIME_MS || scheduledTimeMs > MAX_TIME_MS) return undefined;
  return { taskId, scheduledTimeMs };
}
