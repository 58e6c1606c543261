import { create } from "@bufbuild/protobuf";
import { compileSchedule, formatLocalTime, listOccurrences, type Occurrence } from "@taskscheduler/domain";
import {
  type PreviewScheduleRequest,
  type PreviewScheduleResponse,
  PreviewScheduleResponseSchema,
  type ScheduleOccurrence,
} from "@taskscheduler/proto";
import { toTimestamp } from "../timestamps.js";
import { readPreviewInput } from "./task-input.js";

const DEFAULT_COUNT = 10;

/** Shows when a schedule fires, strictly later than `after`. The answer depends on the request and the time only. */
export function previewSchedule(request: PreviewScheduleRequest, nowMs: number): PreviewScheduleResponse {
  const input = readPreviewInput(request);
  const schedule = compileSchedule(input);
  const afterMs = input.afterMs ?? nowMs;
  const found = listOccurrences(schedule, afterMs, request.count === 0 ? DEFAULT_COUNT : request.count);
  const warnings: string[] = [];
  if (schedule.next(nowMs - 1) === undefined) {
    warnings.push("the schedule has no occurrence from now to the year 9999");
  }
  if (found.some((occurrence) => occurrence.dstAdjusted)) {
    warnings.push("a change of the clocks skips the wall time of some occurrences; they run that much later");
  }
  return create(PreviewScheduleResponseSchema, {
    occurrences: found.map((occurrence) => toProto(occurrence, input.timeZone)),
    description: schedule.describe(),
    warnings,
  });
}

function toProto(occurrence: Occurrence, timeZone: string): ScheduleOccurrence {
  return {
    $typeName: "taskscheduler.v1.ScheduleOccurrence",
    time: toTimestamp(occurrence.timeMs),
    localTime: formatLocalTime(occurrence.timeMs, timeZone),
    dstAdjusted: occurrence.dstAdjusted,
  };
}
