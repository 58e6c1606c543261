import { createLogger } from "@taskscheduler/runtime";
import { ManualClock } from "./manual-clock.fixture.js";
import { Timekeeper } from "./timekeeper.js";

describe("timekeeper", () => {
  let clock: ManualClock;
  let events: string[];
  let keeper: Timekeeper;
  beforeEach(() => {
    clock = new ManualClock();
    events = [];
    keeper = new Timekeeper({
      clock,
      logger: createLogger({ name: "test", level: "silent" }),
      onStep: () => events.push("step"),
      onMoved: () => events.push("moved"),
    });
  });

  function beat(aheadMs = 0): void {
    const sentAtMs = clock.monotonicMs();
    clock.advance(2);
    keeper.acknowledged(sentAtMs, clock.wallMs() - 1 + aheadMs, 5_000);
  }

  it("lets things start once a call was acknowledged, until the lease is over", () => {
    expect(keeper.mayStart()).toBe(false);
    beat();
    expect(keeper.mayStart()).toBe(true);
    clock.advance(4_600);
    expect(keeper.mayStart()).toBe(false);
    beat();
    expect(keeper.mayStart()).toBe(true);
    expect(events).toEqual([]);
  });

  it.each([3_600_000, -3_600_000, 50])(
    "lets nothing start after a step of %d ms, until a newer call is acknowledged",
    (ms) => {
      beat();
      const sentBeforeMs = clock.monotonicMs();
      clock.advance(1);
      clock.step(ms);
      expect(keeper.mayStart()).toBe(false);
      expect(events).toEqual(["step", "moved"]);
      keeper.acknowledged(sentBeforeMs, clock.wallMs(), 5_000);
      expect(keeper.mayStart()).toBe(false);
      clock.advance(1);
      beat(-ms);
      expect(keeper.mayStart()).toBe(true);
      expect(Math.abs(keeper.offsetMs + ms)).toBeLessThan(1);
    },
  );

  it("notices a step that comes while a call is in flight, before it believes the answer", () => {
    beat();
    const sentAtMs = clock.monotonicMs();
    clock.advance(10);
    clock.step(60_000);
    keeper.acknowledged(sentAtMs, clock.wallMs(), 5_000);
    expect(keeper.mayStart()).toBe(false);
  });

  it("takes no notice of a slow drift", () => {
    beat();
    for (let second = 0; second < 60; second++) {
      clock.advance(1_000);
      clock.step(0.5);
      keeper.tick();
    }
    expect(events).toEqual([]);
  });

  it("says when its correction moved, not when it trembles", () => {
    beat();
    clock.advance(1_000);
    beat(400);
    expect(events).toEqual(["moved"]);
    for (let i = 0; i < 16; i++) beat(401);
    expect(events).toEqual(["moved"]);
  });
});
