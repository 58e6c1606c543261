import type { MissReason, SkipReason, WithdrawalReason } from "./end-reason.js";
import type { ExecutionTrigger } from "./states.js";

/** How an attempt went, as its scheduler saw it. */
export interface AttemptOutcome {
  readonly startTimeMs: number;
  readonly endTimeMs: number;
  /** In one line, why it failed. Empty: it did not. */
  readonly error: string;
  /** The target's answer; 0: none. The ledger keeps it and does not judge by it. */
  readonly httpStatus: number;
}

/** A scheduler asks for a claim: of an execution that waits, or of one whose holder is lost. */
export interface ClaimEvent {
  readonly type: "CLAIM" | "TAKE_OVER";
  readonly incarnation: number;
  readonly schedulerId: string;
  readonly nowMs: number;
}

/** A scheduler reports under the fence of its claim. */
export type ReportEvent = { readonly fence: number } & (
  | { readonly type: "BEGIN"; readonly startTimeMs: number }
  | ({ readonly type: "SUCCEED" | "ABORT" } & AttemptOutcome)
  /** `failures`: attempts that count against the retry policy, this one included. */
  | ({ readonly type: "FAIL"; readonly failures: number; readonly isTargetGone: boolean } & AttemptOutcome)
  | ({ readonly type: "RETRY_LATER"; readonly failures: number; readonly retryTimeMs: number } & AttemptOutcome)
  | { readonly type: "HAND_BACK"; readonly retryTimeMs: number; readonly error: string }
);

/** A user or the API decides about an execution. */
export type VerdictEvent =
  | { readonly type: "CANCEL"; readonly nowMs: number }
  | { readonly type: "RETRY" }
  | { readonly type: "WITHDRAW"; readonly reason: WithdrawalReason; readonly nowMs: number }
  /** One row may stand for `count` occurrences, the last of them at `untilMs`. */
  | {
      readonly type: "MISS";
      readonly reason: MissReason;
      readonly nowMs: number;
      readonly count: number;
      readonly untilMs: number;
    }
  | { readonly type: "GIVE_UP"; readonly reason: MissReason; readonly nowMs: number }
  | { readonly type: "SKIP"; readonly reason: SkipReason; readonly nowMs: number }
  | { readonly type: "REOPEN"; readonly taskName: string; readonly trigger: ExecutionTrigger };

/** Everything that moves an execution from state to state. `docs/ledger.md` says what each event means. */
export type LedgerEvent = ClaimEvent | ReportEvent | VerdictEvent;

export type LedgerEventType = LedgerEvent["type"];
