import { type DescField, type DescMessage, isFieldSet, type Message } from "@bufbuild/protobuf";
import {
  type ErrorReason,
  type FieldViolation,
  fieldErrors,
  parseTimeZone,
  type ReadRow,
  type Recurrence,
  type RetryPolicy,
  type Webhook,
} from "@taskscheduler/domain";
import { type PreviewScheduleRequest, PreviewScheduleRequestSchema, type Task, TaskSchema } from "@taskscheduler/proto";

import { readRetryPolicy, readTimeout } from "../targets/retry-policy-input.js";
import { readWebhook } from "../targets/webhook-input.js";
import { readBound, readInstant } from "../timestamps.js";
import { isLabelKey } from "./label-rules.js";
import { recurrenceName } from "./task-mapper.js";
import type { TaskRow } from "./task-row.js";

/** What users set of a task. The proto's rules have been checked; here is what they cannot say. */
export interface TaskInput extends ReadRow {
  readonly name: string;
  readonly scheduledTimeMs: number;
  readonly recurrence: Recurrence | null;
  readonly timeZone: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
  /** null: a reminder. */
  readonly webhook: Webhook | null;
  /** null: the default. */
  readonly retryPolicy: RetryPolicy | null;
  /** 0: the default. */
  readonly timeoutMs: number;
}

/** Of the fields that a mask can name, those that this release supports. */
const TASK_INPUT_FIELDS = [
  ...(["name", "scheduled_time", "recurrence", "time_zone", "description", "labels"] as const),
  ...(["webhook", "retry_policy", "timeout"] as const),
] as const;
type TaskInputField = (typeof TASK_INPUT_FIELDS)[number];
const SUPPORTED_TASK_FIELDS = fieldsOf(TaskSchema, TASK_INPUT_FIELDS);

const UNSUPPORTED_TASK_FIELDS = fieldsOf(TaskSchema, [
  ...["cron", "rrule", "dst_policy", "misfire_policy", "overlap_policy", "catch_up_window", "end_time", "max_runs"],
  "jitter",
]);
/** Those that say when a task falls due, and what it calls then: to change them takes back what has been claimed. */
const ARMING_FIELDS: readonly TaskInputField[] = [
  ...(["scheduled_time", "recurrence", "time_zone"] as const),
  ...(["webhook", "retry_policy", "timeout"] as const),
];
const UNSUPPORTED_PREVIEW_FIELDS = fieldsOf(PreviewScheduleRequestSchema, [
  ...["cron", "rrule", "dst_policy", "end_time", "max_runs", "jitter"],
]);

/** Throws INVALID_ARGUMENT that names every field in the way: `task.name`, or with another path than `task`. */
export function readTaskInput(task: Task, path = "task"): TaskInput {
  refuseUnsupported(setOf(task, UNSUPPORTED_TASK_FIELDS), path);
  const violations: FieldViolation[] = [];
  const input = {
    name: task.name,
    scheduledTimeMs: readInstant(task.scheduledTime, `${path}.scheduled_time`, violations),
    recurrence: recurrenceName(task.recurrence),
    timeZone: readTimeZone(task.timeZone, `${path}.time_zone`, violations),
    description: task.description,
    labels: readLabels(task.labels, `${path}.labels`, violations),
    webhook: readWebhook(task.webhook, `${path}.webhook`, violations),
    retryPolicy: readRetryPolicy(task.retryPolicy, `${path}.retry_policy`, violations),
    timeoutMs: readTimeout(task.timeout, `${path}.timeout`, violations),
  };
  if (task.name === "") violations.push({ field: `${path}.name`, description: "must be set, 1 to 255 characters" });
  throwIfAny(violations);
  return input;
}

/**
 * What an update makes of a task: the mask's fields out of the message, the rest as it is. Without a mask, the fields
 * that are set.
 */
export function readTaskUpdate(task: Task, mask: readonly string[] | undefined, current: TaskInput): TaskInput {
  const fields = maskedFields(task, mask);
  const violations: FieldViolation[] = [];
  const next: { -readonly [K in keyof TaskInput]: TaskInput[K] } = { ...current };
  for (const field of fields) readField(field, task, next, violations);
  throwIfAny(violations);
  return withoutMended(next, fields);
}

const ATTRIBUTES: Readonly<Record<TaskInputField, keyof TaskInput>> = {
  ...{ name: "name", scheduled_time: "scheduledTimeMs", recurrence: "recurrence", time_zone: "timeZone" },
  ...{ description: "description", labels: "labels", webhook: "webhook", retry_policy: "retryPolicy" },
  timeout: "timeoutMs",
};

/** A damaged column that the update sets is damaged no longer. */
function withoutMended({ damaged, ...input }: TaskInput, fields: readonly TaskInputField[]): TaskInput {
  const mended = fields.map((field): string => ATTRIBUTES[field]);
  const left = damaged?.filter((attribute) => !mended.includes(attribute)) ?? [];
  return left.length === 0 ? input : { ...input, damaged: left };
}

/** A task is written: of its columns, those that users set alone are left as they were where they are damaged. */
export function asWritten(row: TaskRow): TaskRow {
  if (row.damaged === undefined) return row;
  const { damaged, ...rest } = row;
  const left = damaged.filter((attribute) => Object.values<string>(ATTRIBUTES).includes(attribute));
  return left.length === 0 ? rest : { ...rest, damaged: left };
}

function readField(
  field: TaskInputField,
  task: Task,
  next: { -readonly [K in keyof TaskInput]: TaskInput[K] },
  violations: FieldViolation[],
): void {
  switch (field) {
    case "name":
      if (task.name === "") violations.push({ field: "task.name", description: "must be set, 1 to 255 characters" });
      next.name = task.name;
      return;
    case "scheduled_time":
      next.scheduledTimeMs = readInstant(task.scheduledTime, "task.scheduled_time", violations);
      return;
    case "recurrence":
      next.recurrence = recurrenceName(task.recurrence);
      return;
    case "time_zone":
      next.timeZone = readTimeZone(task.timeZone, "task.time_zone", violations);
      return;
    case "description":
      next.description = task.description;
      return;
    case "labels":
      next.labels = readLabels(task.labels, "task.labels", violations);
      return;
    case "webhook":
      next.webhook = readWebhook(task.webhook, "task.webhook", violations);
      return;
    case "retry_policy":
      next.retryPolicy = readRetryPolicy(task.retryPolicy, "task.retry_policy", violations);
      return;
    case "timeout":
      next.timeoutMs = readTimeout(task.timeout, "task.timeout", violations);
      return;
  }
}

/** Whether an update may change when the task falls due, or what it calls then. */
export function maskTouchesClaims(task: Task, mask: readonly string[] | undefined): boolean {
  return maskedFields(task, mask).some((field) => ARMING_FIELDS.includes(field));
}

function maskedFields(task: Task, mask: readonly string[] | undefined): readonly TaskInputField[] {
  if (mask === undefined || mask.length === 0) {
    refuseUnsupported(setOf(task, UNSUPPORTED_TASK_FIELDS), "task");
    const given = setOf(task, SUPPORTED_TASK_FIELDS);
    return TASK_INPUT_FIELDS.filter((name) => given.includes(name));
  }
  if (mask.includes("*")) {
    refuseUnsupported(setOf(task, UNSUPPORTED_TASK_FIELDS), "task");
    return TASK_INPUT_FIELDS;
  }
  refuseUnsupported(
    mask.filter((name) => UNSUPPORTED_TASK_FIELDS.some((field) => field.name === name)),
    "task",
  );
  const fields = TASK_INPUT_FIELDS.filter((name) => mask.includes(name));
  const unknown = mask.filter((name) => !(TASK_INPUT_FIELDS as readonly string[]).includes(name));
  throwIfAny([...new Set(unknown)].map((name) => ({ field: "update_mask", description: whyUnknown(name) })));
  return fields;
}

function whyUnknown(name: string): string {
  const whole = TASK_INPUT_FIELDS.find((field) => name.startsWith(`${field}.`));
  const quoted = JSON.stringify(name);
  return whole === undefined
    ? `${quoted} cannot be changed; one of ${TASK_INPUT_FIELDS.join(", ")} or *`
    : `${quoted} is part of ${whole}, which changes as a whole: name ${whole}, and send all of it`;
}

export interface PreviewInput {
  readonly scheduledTimeMs: number;
  readonly recurrence: Recurrence | null;
  readonly timeZone: string;
  /** null: now. */
  readonly afterMs: number | null;
}

export function readPreviewInput(request: PreviewScheduleRequest): PreviewInput {
  refuseUnsupported(setOf(request, UNSUPPORTED_PREVIEW_FIELDS), "");
  const violations: FieldViolation[] = [];
  const input = {
    scheduledTimeMs: readInstant(request.scheduledTime, "scheduled_time", violations),
    recurrence: recurrenceName(request.recurrence),
    timeZone: readTimeZone(request.timeZone, "time_zone", violations),
    afterMs: request.after === undefined ? null : readBound(request.after, "after", violations),
  };
  throwIfAny(violations);
  return input;
}

/** Which of the fields a message has. */
function setOf(message: Message, fields: readonly DescField[]): string[] {
  return fields.filter((field) => isFieldSet(message, field)).map(({ name }) => name);
}

function fieldsOf(schema: DescMessage, names: readonly string[]): readonly DescField[] {
  return schema.fields.filter(({ name }) => names.includes(name));
}

function refuseUnsupported(names: readonly string[], path: string): void {
  const violations = names.map((name) => ({
    field: path === "" ? name : `${path}.${name}`,
    description: "is not supported yet; leave it out",
  }));
  throwIfAny(violations, "NOT_SUPPORTED_YET");
}

function readLabels(labels: Task["labels"], field: string, violations: FieldViolation[]): Task["labels"] {
  for (const key of Object.keys(labels)) {
    if (isLabelKey(key)) continue;
    violations.push({ field, description: `${JSON.stringify(key)}: keys are of 1 to 63 letters, digits, . _ / -` });
  }
  return labels;
}

function readTimeZone(text: string, field: string, violations: FieldViolation[]): string {
  if (text === "") return "UTC";
  const timeZone = parseTimeZone(text);
  if (timeZone !== undefined) return timeZone;
  violations.push({
    field,
    description: "must be an IANA time zone such as Europe/Berlin, or an offset such as +05:30",
  });
  return "UTC";
}

function throwIfAny(violations: readonly FieldViolation[], reason?: ErrorReason): void {
  const error = fieldErrors(violations, reason);
  if (error !== undefined) throw error;
}
