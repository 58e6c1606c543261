/** What a template can name. */
export interface TemplateFields {
  readonly taskId: number;
  readonly taskName: string;
  readonly executionId: string;
  readonly scheduledTimeMs: number;
  readonly attempt: number;
  readonly trigger: string;
}

const PLACEHOLDERS: ReadonlyMap<string, (fields: TemplateFields) => string> = new Map([
  ["task.id", ({ taskId }) => String(taskId)],
  ["task.name", ({ taskName }) => withinJsonString(taskName)],
  ["execution.id", ({ executionId }) => executionId],
  ["execution.scheduled_time", ({ scheduledTimeMs }) => new Date(scheduledTimeMs).toISOString()],
  ["execution.attempt", ({ attempt }) => String(attempt)],
  ["execution.trigger", ({ trigger }) => trigger],
]);

/** Everything between two pairs of braces; of a bounded length, so that a text of braces alone is read in linear time. */
const PLACEHOLDER = /\{\{([^{}]{0,64})\}\}/g;

/** What a template names, as often as it does. */
export function placeholdersOf(template: string): string[] {
  return [...template.matchAll(PLACEHOLDER)].map(([, name = ""]) => name.trim());
}

export const PLACEHOLDER_NAMES: readonly string[] = [...PLACEHOLDERS.keys()];

/**
 * A body with its placeholders replaced. There are neither expressions nor conditions: what a template does is seen at
 * a glance, and no value can become part of another's syntax.
 */
export function renderBody(template: string, fields: TemplateFields): string {
  if (!template.includes("{{")) return template;
  return template.replace(PLACEHOLDER, (text, name: string) => PLACEHOLDERS.get(name.trim())?.(fields) ?? text);
}

function withinJsonString(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
