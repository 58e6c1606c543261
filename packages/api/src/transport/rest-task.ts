import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { Recurrence, type Task, TaskSchema } from "@taskscheduler/proto";
import { formatDatetime, type Instant, parseDatetime } from "./rest-datetime.js";
import { fault, type Parsed, type RestFault } from "./rest-fault.js";

/** A task as the original tells it; the keys in this order. */
export interface RestTask {
  readonly name: string;
  /** Null where somebody has damaged it in the database. */
  readonly scheduled_time: string | null;
  readonly recurrence: string | null;
  readonly id: number;
}

const recurrences: ReadonlyMap<string, Recurrence> = new Map([
  ["once", Recurrence.ONCE],
  ["daily", Recurrence.DAILY],
  ["weekly", Recurrence.WEEKLY],
  ["biweekly", Recurrence.BIWEEKLY],
  ["monthly", Recurrence.MONTHLY],
  ["quarterly", Recurrence.QUARTERLY],
  ["yearly", Recurrence.YEARLY],
]);
const recurrenceNames: ReadonlyMap<Recurrence, string> = new Map(
  [...recurrences].map(([name, value]) => [value, name]),
);

const maxNameLength = 255;

export function restTaskOf(task: Task): RestTask {
  const { name, scheduledTime: time } = task;
  return {
    name,
    scheduled_time: time === undefined ? null : formatDatetime({ seconds: Number(time.seconds), nanos: time.nanos }),
    recurrence: recurrenceNames.get(task.recurrence) ?? null,
    id: task.id,
  };
}

export interface RestTaskInput {
  readonly task: Task;
  /** The proto's names of the fields that were given. */
  readonly given: readonly string[];
  readonly faults: readonly RestFault[];
}

/** Whether a time may be a task's, beyond being one. */
type TimeRule = (instant: Instant) => Parsed<Instant>;

/** @param nowMs what `scheduled_time` must be later than */
export function taskToCreate(body: unknown, nowMs: number): RestTaskInput {
  const inFuture: TimeRule = (instant) =>
    instant.seconds * 1000 + instant.nanos / 1e6 > nowMs
      ? { value: instant }
      : fault("value_error", "scheduled_time must be in the future");
  return taskOf(body, ["name", "scheduled_time"], inFuture);
}

export function taskToUpdate(body: unknown): RestTaskInput {
  return taskOf(body, [], (instant) => ({ value: instant }));
}

function taskOf(body: unknown, required: readonly string[], timeRule: TimeRule): RestTaskInput {
  const task = create(TaskSchema);
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    const msg = "Input should be a valid dictionary or object to extract fields from";
    return { task, given: [], faults: [{ loc: ["body"], msg, type: "model_attributes_type" }] };
  }
  const fields: Readonly<Record<string, unknown>> = { ...body };
  const readers: Readonly<Record<string, (value: unknown) => Parsed<unknown>>> = {
    name: (value) =>
      assign(parseName(value), (name) => {
        task.name = name;
      }),
    scheduled_time: (value) =>
      assign(judged(parseDatetime(value), timeRule), ({ seconds, nanos }) => {
        task.scheduledTime = create(TimestampSchema, { seconds: BigInt(seconds), nanos });
      }),
    recurrence: (value) =>
      assign(parseRecurrence(value), (recurrence) => {
        task.recurrence = recurrence;
      }),
  };
  const given = Object.keys(readers).filter((name) => Object.hasOwn(fields, name));
  const faults = Object.entries(readers).flatMap(([name, read]): RestFault[] => {
    if (!given.includes(name)) {
      return required.includes(name) ? [{ loc: ["body", name], msg: "Field required", type: "missing" }] : [];
    }
    const parsed = read(fields[name]);
    return "fault" in parsed ? [{ loc: ["body", name], ...parsed.fault }] : [];
  });
  return { task, given, faults };
}

function assign<T>(parsed: Parsed<T>, set: (value: T) => void): Parsed<T> {
  if ("value" in parsed) set(parsed.value);
  return parsed;
}

function judged<T>(parsed: Parsed<T>, rule: (value: T) => Parsed<T>): Parsed<T> {
  return "fault" in parsed ? parsed : rule(parsed.value);
}

function parseName(value: unknown): Parsed<string> {
  if (typeof value !== "string") return fault("string_type", "Input should be a valid string");
  if (/\p{Surrogate}/u.test(value))
    return fault("string_unicode", "Input should be a valid string, unable to parse raw data as a unicode string");
  if (value === "") return fault("string_too_short", "String should have at least 1 character");
  if ([...value].length <= maxNameLength) return { value };
  return fault("string_too_long", `String should have at most ${maxNameLength} characters`);
}

function parseRecurrence(value: unknown): Parsed<Recurrence> {
  if (value === null) return { value: Recurrence.UNSPECIFIED };
  const recurrence = typeof value === "string" ? recurrences.get(value) : undefined;
  if (recurrence !== undefined) return { value: recurrence };
  const quoted = [...recurrences.keys()].map((name) => `'${name}'`);
  return fault("enum", `Input should be ${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`);
}
