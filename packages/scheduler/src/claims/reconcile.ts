import type { HeartbeatResponse } from "@taskscheduler/proto";
import { grantOf } from "./claim-grant.js";
import type { HeldClaims, HeldSnapshot } from "./held-claims.js";
import { occurrenceKey } from "./occurrence-key.js";

/** Makes this scheduler's claims those that the API knows. */
export function reconcile(
  held: HeldClaims,
  { adopt, drop, cancelled }: HeartbeatResponse,
  { grantNumber }: HeldSnapshot,
  incarnation: number,
): void {
  for (const { taskId, scheduledTimeMs, fence } of cancelled)
    held.cancel(occurrenceKey(taskId, Number(scheduledTimeMs)), fence);
  for (const { taskId, scheduledTimeMs } of drop)
    held.drop(occurrenceKey(taskId, Number(scheduledTimeMs)), grantNumber);
  for (const grant of adopt) held.grant(grantOf(grant), incarnation);
}
