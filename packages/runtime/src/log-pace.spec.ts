import { LogPace } from "./log-pace.js";

let nowMs: number;
const paceOf = (maxKinds?: number) =>
  new LogPace({ intervalMs: 1_000, nowMs: () => nowMs, ...(maxKinds && { maxKinds }) });

beforeEach(() => {
  nowMs = 5_000;
});

describe("a log's pace", () => {
  it("lets one message of a kind through in an interval, and tells how many it left out", () => {
    const pace = paceOf();
    expect(pace.take("full")).toEqual({ leftOut: 0 });
    nowMs += 999;
    expect([pace.take("full"), pace.take("full")]).toEqual([undefined, undefined]);
    nowMs += 1;
    expect(pace.take("full")).toEqual({ leftOut: 2 });
    nowMs += 1_000;
    expect(pace.take("full")).toEqual({ leftOut: 0 });
  });

  it("counts each kind apart", () => {
    const pace = paceOf();
    expect(pace.take("full")).toEqual({ leftOut: 0 });
    expect(pace.take("away")).toEqual({ leftOut: 0 });
    expect(pace.take("full")).toBeUndefined();
  });

  it("lets no more kinds through than it may, until their interval is over", () => {
    const pace = paceOf(2);
    expect([pace.take("a"), pace.take("b"), pace.take("c")]).toEqual([{ leftOut: 0 }, { leftOut: 0 }, undefined]);
    nowMs += 1_000;
    expect(pace.take("c")).toEqual({ leftOut: 0 });
  });
});
