import { executionRow, NOW_MS } from "./execution-row.fixture.js";
import { applyEffects, ENDED, type LedgerTask, NO_EFFECTS, passOccurrences, RAN, RUNS_AGAIN } from "./task-effects.js";

const DAY_MS = 86_400_000;

/** A task that runs once, and has been claimed. */
function task(changes: Partial<LedgerTask> = {}): LedgerTask {
  return {
    ...{ state: "ACTIVE", nextRunTimeMs: null, runCount: 3, lastRunTimeMs: null },
    ...{ scheduledTimeMs: NOW_MS, recurrence: null, timeZone: "UTC" },
    ...changes,
  };
}

describe("a task is COMPLETED", () => {
  const manual = executionRow({ trigger: "MANUAL" });

  it("when its last execution has run, or ended otherwise", () => {
    expect(applyEffects(task(), executionRow(), RAN)).toMatchObject({ state: "COMPLETED", runCount: 4 });
    expect(applyEffects(task(), executionRow(), ENDED)).toMatchObject({ state: "COMPLETED", runCount: 3 });
    expect(passOccurrences(task({ nextRunTimeMs: NOW_MS }), null, false)).toMatchObject({ state: "COMPLETED" });
  });

  it("when it is paused, by a run alone", () => {
    const paused = task({ state: "PAUSED" });
    expect(applyEffects(paused, executionRow(), RAN).state).toBe("COMPLETED");
    expect(applyEffects(paused, executionRow(), ENDED)).toBe(paused);
  });

  it("not while an occurrence is to come, or one is claimed, and never by a run by hand", () => {
    const daily = task({ recurrence: "DAILY", nextRunTimeMs: NOW_MS + DAY_MS });
    expect(applyEffects(daily, executionRow(), RAN).state).toBe("ACTIVE");
    expect(applyEffects(daily, executionRow(), ENDED)).toBe(daily);
    expect(passOccurrences(task({ nextRunTimeMs: NOW_MS }), null, true)).toMatchObject({ state: "ACTIVE" });
    expect(applyEffects(task(), manual, RAN)).toMatchObject({ state: "ACTIVE", runCount: 4 });
    expect(applyEffects(task(), manual, ENDED).state).toBe("ACTIVE");
  });

  it("no longer when its execution is retried", () => {
    const completed = task({ state: "COMPLETED" });
    expect(applyEffects(completed, executionRow(), RUNS_AGAIN)).toMatchObject({ state: "ACTIVE", runCount: 2 });
    expect(applyEffects(completed, manual, RUNS_AGAIN).state).toBe("COMPLETED");
    expect(applyEffects(task({ runCount: 0 }), executionRow(), RUNS_AGAIN).runCount).toBe(0);
  });
});

it("a run goes past its occurrence where that was the task's to run again", () => {
  const returned = task({ recurrence: "DAILY", nextRunTimeMs: NOW_MS });
  expect(applyEffects(returned, executionRow(), RAN)).toMatchObject({
    ...{ nextRunTimeMs: NOW_MS + DAY_MS, lastRunTimeMs: NOW_MS },
  });
  expect(applyEffects(returned, executionRow(), NO_EFFECTS)).toBe(returned);
});
