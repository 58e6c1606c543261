import type { ExecutionRow } from "./execution-row.js";
import { hasEndedWithoutRun } from "./states.js";

type FencedRow = Pick<ExecutionRow, "state" | "fence" | "endReason">;

/**
 * The effect of a transition on the fence.
 *
 * - `KEPT`: it stays.
 * - `RAISED`: it rises by one. A claim that is granted stands under the new fence; reports under the old one are refused.
 * - `TAKEN_BACK`: it stands one above the claim's. The holder must not start any more, and a late report still counts.
 */
export type FenceMove = "KEPT" | "RAISED" | "TAKEN_BACK";

/** The one place where a fence moves. It never falls. */
export function moveFence(row: FencedRow, move: FenceMove): number {
  if (move === "KEPT") return row.fence;
  return move === "RAISED" ? row.fence + 1 : claimFence(row) + 1;
}

/** The fence that the row's latest claim was granted under, which its reports name. */
export function claimFence(row: FencedRow): number {
  return isTakenBack(row) ? row.fence - 1 : row.fence;
}

/** Whether a report under this fence is about the row's latest claim. */
export function namesClaim(row: FencedRow, fence: number): boolean {
  return row.fence === fence || (row.fence === fence + 1 && isTakenBack(row));
}

/** The state counts too: a row that ended under an earlier release may lack the reason. */
function isTakenBack({ state, endReason }: FencedRow): boolean {
  return endReason !== null || hasEndedWithoutRun(state);
}
