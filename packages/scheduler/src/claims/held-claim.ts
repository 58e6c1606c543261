import type { Target } from "@taskscheduler/proto";
import type { Alarm } from "../alarms/slot-alarms.js";

/** How a run ended. */
export interface Outcome {
  /** `RETRYING`: it has not begun, and is handed back. */
  readonly state: "SUCCEEDED" | "FAILED" | "CANCELLED" | "RETRYING";
  /** Server time, whole. */
  readonly startTimeMs: number;
  readonly endTimeMs: number;
  /** One line; empty when it succeeded. */
  readonly error: string;
  /** What the API judges by whether it is tried again. */
  readonly failure: "NONE" | "RESPONSE" | "CONNECTION" | "TIMEOUT" | "BLOCKED" | "SECRET_UNKNOWN" | "INTERRUPTED";
  /** The target's answer; 0: none. */
  readonly httpStatus: number;
  /** How long the target asks to be left alone; 0: it does not say. Of what is handed back: when it may be claimed anew. */
  readonly retryAfterMs: number;
}

/**
 * - `armed`: granted, waits for its time
 * - `due`: its time has come; waits for its turn, or for the lease to be renewed
 * - `running`: started; nothing but a user's cancellation stops it any more
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
  /** When it is to run. */
  readonly runTimeMs: number;
  /** Undefined: a reminder. */
  readonly target: Target | undefined;
  /** Of its target; undefined: it calls nobody. */
  readonly host: string | undefined;
  fence: number;
  /** Under which it was granted. */
  incarnation: number;
  /** When it was granted under this fence, counted in grants. */
  grantNumber: number;
  state: ClaimState;
  /** It was granted before its time, so that nothing but this scheduler makes it late. */
  isAhead: boolean;
  /** Server time, whole; 0 before it started. */
  startTimeMs: number;
  /** While a target is called: aborts the call. */
  running: AbortController | undefined;
  /** When it is `ended`. */
  outcome: Outcome | undefined;
  /** While it is `armed`. */
  alarm: Alarm | undefined;
}
