import type { LedgerEventType } from "./events.js";
import type { FenceMove } from "./fence.js";
import type { Phase } from "./phase.js";
import type { ExecutionState } from "./states.js";
import { ENDED, NO_EFFECTS, RAN, RUNS_AGAIN, type TaskEffects } from "./task-effects.js";

/** A row of the table of transitions. */
export interface TransitionRule {
  readonly to: Phase;
  /** The state that rows of that phase have. */
  readonly state: ExecutionState;
  readonly fence: FenceMove;
  readonly effects: TaskEffects;
}

type Rules = Partial<Record<Phase, TransitionRule>>;

function rule(to: Phase, fence: FenceMove, effects: TaskEffects = NO_EFFECTS): TransitionRule {
  return { to, state: to === "WITHDRAWN" ? "CANCELLED" : to, fence, effects };
}

/**
 * Every transition there is, by event and by the phase the execution is in. `transition` takes the next state, the move
 * of the fence and the effects on the task from here; an event does not apply to a phase that it does not list.
 *
 * Reports of WITHDRAWN, CANCELLED and MISSED rows are late: the execution ran, or began, although its claim had been
 * taken back.
 */
export const TRANSITIONS: Readonly<Record<LedgerEventType, Rules>> = {
  CLAIM: { PENDING: rule("CLAIMED", "RAISED"), RETRYING: rule("CLAIMED", "RAISED") },
  TAKE_OVER: { CLAIMED: rule("CLAIMED", "RAISED"), RUNNING: rule("CLAIMED", "RAISED") },
  BEGIN: {
    CLAIMED: rule("RUNNING", "KEPT"),
    WITHDRAWN: rule("RUNNING", "KEPT"),
    MISSED: rule("RUNNING", "KEPT"),
  },
  SUCCEED: {
    CLAIMED: rule("SUCCEEDED", "KEPT", RAN),
    RUNNING: rule("SUCCEEDED", "KEPT", RAN),
    WITHDRAWN: rule("SUCCEEDED", "KEPT", RAN),
    CANCELLED: rule("SUCCEEDED", "KEPT", RAN),
    MISSED: rule("SUCCEEDED", "KEPT", RAN),
  },
  FAIL: {
    CLAIMED: rule("FAILED", "KEPT", RAN),
    RUNNING: rule("FAILED", "KEPT", RAN),
    WITHDRAWN: rule("FAILED", "KEPT", RAN),
    CANCELLED: rule("CANCELLED", "KEPT"),
    MISSED: rule("FAILED", "KEPT", RAN),
  },
  RETRY_LATER: { CLAIMED: rule("RETRYING", "KEPT"), RUNNING: rule("RETRYING", "KEPT") },
  HAND_BACK: { CLAIMED: rule("RETRYING", "KEPT"), RUNNING: rule("RETRYING", "KEPT") },
  ABORT: {
    CLAIMED: rule("CANCELLED", "TAKEN_BACK", RAN),
    RUNNING: rule("CANCELLED", "TAKEN_BACK", RAN),
    WITHDRAWN: rule("WITHDRAWN", "KEPT"),
    CANCELLED: rule("CANCELLED", "KEPT"),
    MISSED: rule("MISSED", "KEPT"),
  },
  CANCEL: {
    PENDING: rule("CANCELLED", "TAKEN_BACK", ENDED),
    CLAIMED: rule("CANCELLED", "TAKEN_BACK", ENDED),
    RUNNING: rule("CANCELLED", "TAKEN_BACK", ENDED),
    RETRYING: rule("CANCELLED", "TAKEN_BACK", ENDED),
  },
  WITHDRAW: {
    PENDING: rule("WITHDRAWN", "TAKEN_BACK", ENDED),
    CLAIMED: rule("WITHDRAWN", "TAKEN_BACK", ENDED),
    RETRYING: rule("WITHDRAWN", "TAKEN_BACK", ENDED),
  },
  MISS: { PENDING: rule("MISSED", "TAKEN_BACK", ENDED) },
  GIVE_UP: {
    CLAIMED: rule("MISSED", "TAKEN_BACK", ENDED),
    RETRYING: rule("MISSED", "TAKEN_BACK", ENDED),
    RUNNING: rule("FAILED", "RAISED", RAN),
  },
  SKIP: { PENDING: rule("SKIPPED", "TAKEN_BACK", ENDED) },
  REOPEN: { WITHDRAWN: rule("PENDING", "KEPT") },
  RETRY: { FAILED: rule("PENDING", "KEPT", RUNS_AGAIN) },
};
