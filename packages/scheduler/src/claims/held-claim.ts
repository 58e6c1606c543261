import type { Alarm } from "../alarms/slot-alarms.js";

/** How a run ended. */
export interface Outcome {
  readonly succeeded: boolean;
  /** Server time, whole. */
  readonly startTimeMs: number;
  readonly endTimeMs: number;
  /** One line; empty when it succeeded. */
  readonly error: string;
}

/**
 * - `armed`: granted, waits for its time
 * - `due`: its time has come; waits for its turn, or for the lease to be renewed
 * - `running`: started; nothing stops it any more
 * - `ended`: has an outcome that the API has not acknowledged
 * - `gone`: withdrawn, taken away, refused or reported
 */
export type ClaimState = "armed" | "due" | "running" | "ended" | "gone";

/** A claim that this scheduler holds. */
export interface HeldClaim {
  readonly key: string;
  readonly taskId: number;
  readonly scheduledTimeMs: number;
  readonly attempt: number;
  fence: number;
  /** Under which it was granted. */
  incarnation: number;
  /** When it was granted under this fence, counted in grants. */
  grantNumber: number;
  state: ClaimState;
  /** It was granted before its time, so that nothing but this scheduler makes it late. */
  isAhead: boolean;
  /** When it is `ended`. */
  outcome: Outcome | undefined;
  /** While it is `armed`. */
  alarm: Alarm | undefined;
}
