/** Names an occurrence, by its execution's id. */
export function occurrenceKey(taskId: number, scheduledTimeMs: number): string {
  return `${taskId}.${scheduledTimeMs}`;
}
