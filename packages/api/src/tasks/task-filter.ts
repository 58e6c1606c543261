import { createHash } from "node:crypto";
import { type FieldViolation, fieldErrors, TASK_STATES, type TaskState } from "@taskscheduler/domain";
import { type ListTasksRequest, TaskState as ProtoState } from "@taskscheduler/proto";
import { readBound } from "../timestamps.js";
import { isLabelKey, isLabelValue } from "./label-rules.js";

/** Which tasks a list is of; all must hold. */
export interface TaskFilter {
  /** In any of these. None: no task is. */
  readonly states: readonly TaskState[];
  /** Names and values. */
  readonly labels: readonly (readonly [string, string])[];
  /** Empty: whatever the name. */
  readonly nameContains: string;
  /** A task that is not active has no next run. */
  readonly nextRun: { readonly afterMs: number | undefined; readonly beforeMs: number | undefined } | undefined;
}

export function readTaskFilter(request: ListTasksRequest): TaskFilter {
  const violations: FieldViolation[] = [];
  const labels = Object.entries(request.labelFilter);
  for (const [name, value] of labels) {
    if (!isLabelKey(name))
      violations.push({ field: "label_filter", description: "keys are of letters, digits, . _ / -" });
    else if (!isLabelValue(value))
      violations.push({ field: "label_filter", description: "values are of at most 255 characters" });
  }
  const { nextRunAfter: after, nextRunBefore: before } = request;
  const afterMs = after && readBound(after, "next_run_after", violations);
  const beforeMs = before && readBound(before, "next_run_before", violations, "earlier");
  const error = fieldErrors(violations);
  if (error !== undefined) throw error;
  const nextRun = after === undefined && before === undefined ? undefined : { afterMs, beforeMs };
  const wanted = request.states.map((state) => ProtoState[state]);
  const states = TASK_STATES.filter((state) => wanted.length === 0 || wanted.includes(state));
  return {
    states: nextRun === undefined ? states : states.filter((state) => state === "ACTIVE"),
    labels,
    nameContains: request.nameContains,
    nextRun,
  };
}

/** Names the query whose pages a token is of. */
export function taskQueryFingerprint(request: ListTasksRequest): string {
  const { states, nameContains: name, labelFilter, nextRunAfter, nextRunBefore, orderBy } = request;
  const instants = [nextRunAfter, nextRunBefore].map((time) => time && [String(time.seconds), time.nanos]);
  const labels = Object.entries(labelFilter).sort();
  return createHash("sha256")
    .update(JSON.stringify([states, name, labels, instants, orderBy]))
    .digest("base64url");
}
