import fc from "fast-check";
import { MISS_TEXTS, SKIP_TEXTS, WITHDRAWAL_TEXTS } from "./end-reason.js";
import type { LedgerEvent } from "./events.js";
import { NOW_MS } from "./execution-row.fixture.js";
import { type ExecutionRow, newExecution } from "./execution-row.js";
import { namesClaim } from "./fence.js";
import { phaseOf } from "./phase.js";
import { isHeld, isUnfinished } from "./states.js";
import { transition } from "./transition.js";
import { TRANSITIONS } from "./transitions.js";

const RUNS = 2_000;
const MAX_EVENTS = 40;
const KEY = { taskId: 7, scheduledTimeMs: NOW_MS };

/** The transitions that may take a row that has ended back to an unfinished state. */
const REOPENING: readonly LedgerEvent["type"][] = ["REOPEN", "RETRY", "BEGIN"];

/** A report names one of the claims granted so far, counted from the latest, or a fence that was never granted. */
type Draft = LedgerEvent | (LedgerEvent & { readonly claimsBack: number });

const time = fc.integer({ min: -5_000, max: 100_000 }).map((afterMs) => NOW_MS + afterMs);
const error = fc.constantFrom("", "HTTP 500", "cancelled by a user", "withdrawn: x");
const outcome = { startTimeMs: time, endTimeMs: time, error, httpStatus: fc.constantFrom(0, 200, 410, 500) };
const claimsBack = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 4 }) });
const by = { claimsBack, fence: fc.constant(0) };
const claimant = fc.constantFrom({ incarnation: 1, schedulerId: "one" }, { incarnation: 2, schedulerId: "two" });
const failures = fc.nat({ max: 9 });
const reason = (texts: Readonly<Record<string, string>>) => fc.constantFrom(...Object.keys(texts));
const type = <const T extends string>(...types: T[]) => fc.constantFrom(...types);

const often = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });
/** Weighted so that few sequences stop early in a state that nothing leaves. */
const event = fc.oneof(
  often(
    6,
    fc
      .record({ type: type("CLAIM", "TAKE_OVER"), nowMs: time, who: claimant })
      .map(({ who, ...rest }) => ({ ...rest, ...who })),
  ),
  often(3, fc.record({ type: type("BEGIN"), ...by, startTimeMs: time })),
  often(3, fc.record({ type: type("SUCCEED", "ABORT"), ...by, ...outcome })),
  often(2, fc.record({ type: type("FAIL"), ...by, ...outcome, failures, isTargetGone: fc.boolean() })),
  often(2, fc.record({ type: type("RETRY_LATER"), ...by, ...outcome, failures, retryTimeMs: time })),
  often(2, fc.record({ type: type("HAND_BACK"), ...by, retryTimeMs: time, error })),
  often(2, fc.record({ type: type("CANCEL"), nowMs: time })),
  often(3, fc.record({ type: type("WITHDRAW"), reason: reason(WITHDRAWAL_TEXTS), nowMs: time })),
  often(2, fc.record({ type: type("GIVE_UP"), reason: reason(MISS_TEXTS), nowMs: time })),
  often(1, fc.record({ type: type("MISS"), reason: reason(MISS_TEXTS), nowMs: time, count: fc.nat(), untilMs: time })),
  often(1, fc.record({ type: type("SKIP"), reason: reason(SKIP_TEXTS), nowMs: time })),
  often(2, fc.record({ type: type("REOPEN"), taskName: fc.constant("seven"), trigger: fc.constant("SCHEDULE") })),
  often(3, fc.constant({ type: "RETRY" })),
) as fc.Arbitrary<Draft>;

/** One execution, and every fence that a scheduler was granted. */
class Ledger {
  row: ExecutionRow = newExecution(KEY, "seven", "SCHEDULE");
  readonly granted: number[] = [];
  runs = 0;

  apply(draft: Draft): ExecutionRow {
    const before = this.row;
    const event = "claimsBack" in draft ? { ...draft, fence: this.granted.at(-1 - draft.claimsBack) ?? 99 } : draft;
    const next = transition(before, event);
    if (next === undefined) return before;
    this.row = next.row;
    this.runs += next.effects.runs;
    if (event.type === "CLAIM" || event.type === "TAKE_OVER") this.granted.push(next.row.fence);
    return before;
  }
}

/** Feeds random sequences of events. After each event the condition must hold; `expect` would take most of the time. */
function holds(condition: (before: ExecutionRow, draft: Draft, ledger: Ledger) => boolean): void {
  const property = fc.property(fc.array(event, { maxLength: MAX_EVENTS, size: "max" }), (drafts) => {
    const ledger = new Ledger();
    return drafts.every((draft) => condition(ledger.apply(draft), draft, ledger));
  });
  fc.assert(property, { numRuns: RUNS });
}

const ENDED_WITHOUT_RUN = ["CANCELLED", "MISSED", "SKIPPED"];

describe("whatever happens to an execution", () => {
  it("no event throws, and a row that has ended without a run says why", () => {
    holds((_before, _draft, { row }) => {
      if (ENDED_WITHOUT_RUN.includes(row.state) && row.endReason === null) return false;
      if ((row.state === "PENDING" || row.state === "CLAIMED") && row.endReason !== null) return false;
      return (row.endTimeMs === null) === isUnfinished(row.state);
    });
  });

  it("the fence never falls, and each claim is granted under a higher one than all before", () => {
    holds((before, _draft, { row, granted }) => {
      const [previous = 0, latest = Number.POSITIVE_INFINITY] = granted.slice(-2);
      return row.fence >= before.fence && (granted.length < 2 || latest > previous);
    });
  });

  it("there is one claim at a time: reports of the latest count, and of no other", () => {
    holds((_before, _draft, { row, granted }) => {
      if (granted.slice(0, -1).some((fence) => namesClaim(row, fence))) return false;
      return !isHeld(row.state) || namesClaim(row, granted.at(-1) ?? 0);
    });
  });

  it("a claim that is held is granted to another by a take-over alone", () => {
    holds((before, draft, { row }) => row === before || row.state !== "CLAIMED" || takesOver(before, draft));
  });

  it("a row that has ended reopens by the named transitions alone", () => {
    holds(
      (before, draft, { row }) =>
        isUnfinished(before.state) || !isUnfinished(row.state) || REOPENING.includes(draft.type),
    );
  });

  it("a run is counted once, and taken back where it is made again", () => {
    holds((_before, _draft, { row, runs }) => {
      if (row.state === "SUCCEEDED" || row.state === "FAILED") return runs === 1;
      return row.state === "CANCELLED" ? runs === 0 || runs === 1 : runs === 0;
    });
  });

  it("every transition of the table is met in these sequences", () => {
    const met = new Set<string>();
    holds((before, draft, { row }) => {
      if (row !== before) met.add(`${draft.type} ${phaseOf(before)}`);
      return true;
    });
    const rules = Object.entries(TRANSITIONS).flatMap(([type, phases]) =>
      Object.keys(phases).map((phase) => `${type} ${phase}`),
    );
    expect([...met].sort()).toEqual(rules.sort());
  });
});

function takesOver(before: ExecutionRow, draft: Draft): boolean {
  return draft.type === (isHeld(before.state) ? "TAKE_OVER" : "CLAIM");
}
