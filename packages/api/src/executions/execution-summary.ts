import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { EXECUTION_STATES, latencyBinRangeMs } from "@taskscheduler/domain";
import {
  type ExecutionBucket,
  ExecutionState,
  type ExecutionStateCount,
  type LatencyBin,
  type LatencySummary,
  type SummarizeExecutionsResponse,
} from "@taskscheduler/proto";
import { toTimestamp } from "../timestamps.js";
import { type StatKind, stateNumber } from "./execution-stats.js";
import { bucketCount, bucketTimesMs, type SummaryInterval } from "./summary-interval.js";

/** Of each kind, how many executions fall in each bin. */
type Counts = Readonly<Record<StatKind, Map<number, number>>>;

/** Takes what is counted, cell by cell, and makes the answer of it. */
export interface ExecutionSummary {
  add(bucket: number, kind: StatKind, bin: number, count: number): void;
  toProto(): SummarizeExecutionsResponse;
}

export function createExecutionSummary(interval: SummaryInterval): ExecutionSummary {
  const all = noCounts();
  const buckets = Array.from({ length: bucketCount(interval) }, noCounts);
  return {
    add(bucket, kind, bin, count) {
      for (const counts of [all, buckets[bucket]]) counts?.[kind].set(bin, (counts[kind].get(bin) ?? 0) + count);
    },
    toProto: () => ({
      $typeName: "taskscheduler.v1.SummarizeExecutionsResponse",
      counts: stateCounts(all.STATE),
      buckets: buckets.map((counts, index) => bucketToProto(interval, index, counts)),
      lateness: latencySummary(sortedBins(all.LATENESS), true),
      duration: latencySummary(sortedBins(all.DURATION), true),
      startTime: toTimestamp(interval.startMs),
      endTime: toTimestamp(bucketTimesMs(interval, buckets.length - 1).endMs),
    }),
  };
}

function noCounts(): Counts {
  return { STATE: new Map(), LATENESS: new Map(), DURATION: new Map() };
}

function bucketToProto(interval: SummaryInterval, index: number, counts: Counts): ExecutionBucket {
  const { startMs, endMs } = bucketTimesMs(interval, index);
  const [lateness, duration] = [sortedBins(counts.LATENESS), sortedBins(counts.DURATION)];
  return {
    $typeName: "taskscheduler.v1.ExecutionBucket",
    startTime: toTimestamp(startMs),
    endTime: toTimestamp(endMs),
    counts: stateCounts(counts.STATE),
    ...(lateness.length === 0 ? {} : { lateness: latencySummary(lateness, false) }),
    ...(duration.length === 0 ? {} : { duration: latencySummary(duration, false) }),
  };
}

function stateCounts(counts: ReadonlyMap<number, number>): ExecutionStateCount[] {
  return EXECUTION_STATES.flatMap((state) => {
    const count = counts.get(stateNumber(state)) ?? 0;
    if (count <= 0) return [];
    return [{ $typeName: "taskscheduler.v1.ExecutionStateCount", state: ExecutionState[state], count: BigInt(count) }];
  });
}

type SortedBins = readonly (readonly [bin: number, count: number])[];

function sortedBins(counts: ReadonlyMap<number, number>): SortedBins {
  return [...counts].filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
}

function latencySummary(bins: SortedBins, hasHistogram: boolean): LatencySummary {
  const $typeName = "taskscheduler.v1.LatencySummary";
  const last = bins.at(-1);
  if (last === undefined) return { $typeName, count: 0n, histogram: [] };
  const count = bins.reduce((sum, [, each]) => sum + each, 0);
  const percentile = (perMille: number) => durationFromMs(percentileMs(bins, Math.ceil((count * perMille) / 1_000)));
  return {
    $typeName,
    count: BigInt(count),
    p50: percentile(500),
    p90: percentile(900),
    p99: percentile(990),
    p999: percentile(999),
    max: durationFromMs(latencyBinRangeMs(last[0]).highestMs),
    histogram: hasHistogram ? bins.map(binToProto) : [],
  };
}

/** The middle of the bin that the time of a rank, counted from 1, falls in. */
function percentileMs(bins: SortedBins, rank: number): number {
  let below = 0;
  for (const [bin, count] of bins) {
    below += count;
    if (below < rank) continue;
    const { lowestMs, highestMs } = latencyBinRangeMs(bin);
    return (lowestMs + highestMs) / 2;
  }
  throw new Error("a rank beyond all times");
}

function binToProto([bin, count]: SortedBins[number]): LatencyBin {
  const { lowestMs, highestMs } = latencyBinRangeMs(bin);
  return {
    $typeName: "taskscheduler.v1.LatencyBin",
    lowerBound: durationFromMs(lowestMs),
    upperBound: durationFromMs(highestMs),
    count: BigInt(count),
  };
}
