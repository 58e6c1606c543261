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

export const PLACEHOLDER_NAMES: readonly string[] = [...PLACEHOLDERS.keys()];

/** The text between these tags stands for itself, whatever it holds. */
const RAW = "raw";
const END_RAW = "/raw";

/** Everything between two pairs of braces. Its bounded length lets a text of braces alone be read in linear time. */
const TAG = /\{\{([^{}]{0,64})\}\}/g;

/** A text that stands for itself, or a tag that is to be replaced. */
type Part = { readonly text: string } | { readonly name: string; readonly source: string };

/** A webhook's body, as a user wrote it. */
export interface BodyTemplate {
  readonly parts: readonly Part[];
  /** A `{{raw}}` has no `{{/raw}}`. Rendering leaves the rest as it is. */
  readonly isRawOpen: boolean;
}

/** Reads a template. Any text can be written in one: `{{raw}}{{{{/raw}}` stands for two opening braces. */
export function parseBody(template: string): BodyTemplate {
  const parts: Part[] = [];
  let isRawOpen = false;
  let textStart = 0;
  for (const { 0: source, 1: inner = "", index } of template.matchAll(TAG)) {
    const name = inner.trim();
    if (isRawOpen && name !== END_RAW) continue;
    parts.push({ text: template.slice(textStart, index) });
    if (name === RAW || isRawOpen) isRawOpen = !isRawOpen;
    else parts.push({ name, source });
    textStart = index + source.length;
  }
  parts.push({ text: template.slice(textStart) });
  return { parts, isRawOpen };
}

/** The names in a template's tags, as often as they stand there; raw text has none. */
export function placeholdersOf({ parts }: BodyTemplate): string[] {
  return parts.flatMap((part) => ("name" in part ? [part.name] : []));
}

/** Whether a text that is no template holds what a template would replace. */
export function holdsPlaceholder(text: string): boolean {
  return [...text.matchAll(TAG)].some(([, inner = ""]) => PLACEHOLDERS.has(inner.trim()));
}

/**
 * A body with its placeholders replaced. There are neither expressions nor conditions: what a template does is seen at
 * a glance, and no value can become part of another's syntax.
 */
export function renderBody(template: string, fields: TemplateFields): string {
  if (!template.includes("{{")) return template;
  const { parts } = parseBody(template);
  return parts.map((part) => ("name" in part ? replacementOf(part, fields) : part.text)).join("");
}

function replacementOf({ name, source }: { name: string; source: string }, fields: TemplateFields): string {
  return PLACEHOLDERS.get(name)?.(fields) ?? source;
}

function withinJsonString(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
