import { claim, takeOver } from "./claims.js";
import { cancel, giveUp, miss, skip, withdraw } from "./endings.js";
import type { LedgerEvent, ReportEvent } from "./events.js";
import { type ExecutionKey, type ExecutionRow, newExecution } from "./execution-row.js";
import { namesClaim } from "./fence.js";
import { reportLate } from "./late-reports.js";
import { isReopenable, phaseOf } from "./phase.js";
import { reopen, retry } from "./reopenings.js";
import { report } from "./reports.js";
import { type ExecutionTrigger, isHeld } from "./states.js";
import { NO_EFFECTS, RAN_AND_TARGET_GONE, type TaskEffects } from "./task-effects.js";
import { TRANSITIONS, type TransitionRule } from "./transitions.js";

/** The result of an event for an execution. */
export interface Transition {
  /** The row that was given, where nothing changes. */
  readonly row: ExecutionRow;
  readonly effects: TaskEffects;
}

/**
 * Decides what an event makes of an execution. It depends on its arguments alone, and never throws.
 *
 * @returns undefined where the event does not apply: a report about another claim, or any other event in a phase that
 * {@link TRANSITIONS} does not list for it. A report that says nothing new applies, and changes nothing.
 */
export function transition(row: ExecutionRow, event: LedgerEvent): Transition | undefined {
  const rule = TRANSITIONS[event.type][phaseOf(row)];
  if ("fence" in event) return namesClaim(row, event.fence) ? applyReport(row, event, rule) : undefined;
  if (rule === undefined) return undefined;
  switch (event.type) {
    case "CLAIM":
      return { row: claim(row, event, rule), effects: rule.effects };
    case "TAKE_OVER":
      return { row: takeOver(row, event, rule), effects: rule.effects };
    case "CANCEL":
      return { row: cancel(row, event.nowMs, rule), effects: rule.effects };
    case "WITHDRAW":
      return { row: withdraw(row, event.reason, event.nowMs, rule), effects: rule.effects };
    case "MISS":
      return { row: miss(row, event, rule), effects: rule.effects };
    case "GIVE_UP":
      return { row: giveUp(row, event.reason, event.nowMs, rule), effects: rule.effects };
    case "SKIP":
      return { row: skip(row, event.reason, event.nowMs, rule), effects: rule.effects };
    case "RETRY":
      return { row: retry(row, rule), effects: rule.effects };
    case "REOPEN":
      return isReopenable(row) ? { row: reopen(row, event, rule), effects: rule.effects } : undefined;
  }
}

function applyReport(row: ExecutionRow, event: ReportEvent, rule: TransitionRule | undefined): Transition {
  if (rule === undefined) return { row, effects: NO_EFFECTS };
  if (isHeld(row.state)) {
    const isGone = event.type === "FAIL" && event.isTargetGone;
    return { row: report(row, event, rule), effects: isGone ? RAN_AND_TARGET_GONE : rule.effects };
  }
  const next = reportLate(row, event, rule);
  return { row: next, effects: next === row ? NO_EFFECTS : rule.effects };
}

/**
 * The row that the first event of an occurrence begins with: a new one, or a withdrawn one that comes again. It is
 * PENDING, and is written once an event has moved it on.
 *
 * @returns undefined where the ledger says already what became of the occurrence
 */
export function openOccurrence(
  existing: ExecutionRow | undefined,
  key: ExecutionKey,
  taskName: string,
  trigger: ExecutionTrigger,
): ExecutionRow | undefined {
  if (existing === undefined) return newExecution(key, taskName, trigger);
  return transition(existing, { type: "REOPEN", taskName, trigger })?.row;
}
