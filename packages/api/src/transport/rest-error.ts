import { Code, type ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "@taskscheduler/proto";
import { type HttpAnswer, jsonAnswer } from "./http-answer.js";
import type { RestFault } from "./rest-fault.js";

const statuses: ReadonlyMap<Code, number> = new Map([
  [Code.NotFound, 404],
  [Code.AlreadyExists, 409],
  [Code.Aborted, 409],
  [Code.FailedPrecondition, 409],
  [Code.ResourceExhausted, 429],
  [Code.Canceled, 499],
  [Code.Unimplemented, 501],
  [Code.Unavailable, 503],
  [Code.DeadlineExceeded, 504],
]);

/** The database has no room: the caller has not asked too often. */
const statusesOfReasons: ReadonlyMap<string, number> = new Map([
  ["DATABASE_FULL", 507],
  ["IDS_EXHAUSTED", 507],
]);

const retryAfterSeconds = "1";

/** 422, one entry a fault. */
export function faultsAnswer(faults: readonly RestFault[]): HttpAnswer {
  return jsonAnswer(422, { detail: faults });
}

/** A method's error in the original's form. */
export function errorAnswer(error: ConnectError): HttpAnswer {
  if (error.code === Code.InvalidArgument || error.code === Code.OutOfRange) return faultsAnswer(faultsOf(error));
  const reason = error.findDetails(ErrorInfoSchema).at(0)?.reason ?? "";
  const status = statusesOfReasons.get(reason) ?? statuses.get(error.code) ?? 500;
  const detail = error.code === Code.NotFound ? "Task not found" : error.rawMessage;
  const headers = error.code === Code.Unavailable ? { "retry-after": retryAfterSeconds } : {};
  return jsonAnswer(status, { detail }, headers);
}

function faultsOf(error: ConnectError): RestFault[] {
  const violations = error.findDetails(BadRequestSchema).flatMap((badRequest) => badRequest.fieldViolations);
  if (violations.length === 0) return [{ loc: ["body"], msg: error.rawMessage, type: "value_error" }];
  return violations.map(({ field, description }) => ({
    loc: locationOf(field),
    msg: description,
    type: "value_error",
  }));
}

/** `task.name` of the request is `name` of the body, and `id` is the path's. */
function locationOf(field: string): readonly string[] {
  const path = field.replace(/^task\./, "");
  if (path === "id") return ["path", "task_id"];
  return path === "" || path === "task" ? ["body"] : ["body", ...path.split(".")];
}
