import { create } from "@bufbuild/protobuf";
import { describeSchedule, nextOccurrenceMs, type Occurrence, occurrences } from "@taskscheduler/domain";
import {
  type PreviewScheduleRequest,
  type PreviewScheduleResponse,
  PreviewScheduleResponseSchema,
  type ScheduleOccurrence,
} from "@taskscheduler/proto";
import { toTimestamp } from "../timestamps.js";
import { readPreviewInput } from "./task-input.js";
import { scheduleOf } from "./task-row.js";

const DEFAULT_COUNT = 10;

/** When a schedule fires, strictly later than `after`. A function of the request and the time alone. */
export function previewSchedule(request: PreviewScheduleRequest, nowMs: number): PreviewScheduleResponse {
  const input = readPreviewInput(request);
  const schedule = scheduleOf(input);
  const afterMs = input.afterMs ?? nowMs;
  const found = occurrences(schedule, afterMs, request.count === 0 ? DEFAULT_COUNT : request.count);
  const warnings: string[] = [];
  if (nextOccurrenceMs(schedule, nowMs - 1) === undefined) {
    warnings.push("the schedule has no occurrence from now to the year 9999");
  }
  if (found.some((occurrence) => occurrence.dstAdjusted)) {
    warnings.push("a change of the clocks skips the wall time of some occurrences; they run that much later");
  }
  return create(PreviewScheduleResponseSchema, {
    occurrences: found.map(toProto),
    description: describeSchedule(schedule),
    warnings,
  });
}

function toProto(occurrence: Occurrence): ScheduleOccurrence {
  return {
    $typeName: "taskscheduler.v1.ScheduleOccurrence",
    time: toTimestamp(occurrence.timeMs),
    localTime: occurrence.localTime,
    dstAdjusted: occurrence.dstAdjusted,
  };
}
