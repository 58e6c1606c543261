/** Names an occurrence, as an execution's id does. */
export function occurrenceKey(taskId: number, scheduledTimeMs: number): string {
  return `${taskId}-${scheduledTimeMs}`;
}
