import { ServiceError } from "@taskscheduler/domain";
import type { TaskInput } from "./task-input.js";

type Sized = Pick<TaskInput, "name" | "description" | "labels"> & {
  readonly webhook?:
    | { readonly url: string; readonly headers: TaskInput["labels"]; readonly body: string }
    | null
    | undefined;
};

/** A row that is larger counts for as many: a group of writes, whose rows are bounded, is then bounded in bytes too. */
const ROW_BYTES = 4 * 1024;
/** Of one request's tasks as SQL. The database takes a statement of 16 MiB unless its `max_allowed_packet` says otherwise. */
const MAX_REQUEST_BYTES = 15 * 1024 * 1024;

/** How many rows the tasks of one request count for. Throws REQUEST_TOO_LARGE when no statement could hold them. */
export function weightOf(inputs: readonly Sized[]): number {
  const sizes = inputs.map(sqlBytes);
  if (sizes.reduce((sum, size) => sum + size, 0) > MAX_REQUEST_BYTES) {
    const description = "are too large together; send fewer at once";
    throw new ServiceError("REQUEST_TOO_LARGE", `tasks: ${description}`, {
      violations: [{ field: "tasks", description }],
    });
  }
  return Math.max(
    1,
    sizes.reduce((sum, size) => sum + Math.ceil(size / ROW_BYTES), 0),
  );
}

/** No character takes more bytes for each of its UTF-16 units, escaped or not. */
const MAX_UNIT_BYTES = 3;

/** What the driver makes of the texts, where some characters take two bytes; not less than that where they fit into a row anyway. */
function sqlBytes({ name, description, labels, webhook }: Sized): number {
  const target = webhook == null ? "" : JSON.stringify([webhook.url, webhook.headers, webhook.body]);
  const atMost = MAX_UNIT_BYTES * (name.length + description.length + unitsOf(labels) + target.length);
  if (atMost <= ROW_BYTES) return atMost;
  const text = `${name}${description}${JSON.stringify(labels)}${target}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the driver escapes these.
  const escaped = text.match(/[\0\b\n\r\t\x1a'"\\]/g)?.length ?? 0;
  return Buffer.byteLength(text) + escaped;
}

/** Of labels as JSON, where a character may become six. */
function unitsOf(labels: Sized["labels"]): number {
  let units = 2;
  for (const [key, value] of Object.entries(labels)) units += 6 * (key.length + value.length + 1);
  return units;
}
