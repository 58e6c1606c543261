import { ManualClock } from "./manual-clock.fixture.js";
import { ServerClock } from "./server-clock.js";

describe("server clock", () => {
  let clock: ManualClock;
  let server: ServerClock;
  beforeEach(() => {
    clock = new ManualClock();
    server = new ServerClock(clock);
  });

  /** A round trip to a server that is `aheadMs` ahead, and answers after `outMs` of it. */
  function roundTrip(aheadMs: number, outMs: number, backMs: number): void {
    const sentAtMs = clock.monotonicMs();
    clock.advance(outMs);
    const serverTimeMs = clock.wallMs() + aheadMs;
    clock.advance(backMs);
    server.learn({ sentAtMs, receivedAtMs: clock.monotonicMs(), receivedWallMs: clock.wallMs(), serverTimeMs });
  }

  it("takes the middle of the round trip for the offset, and corrects by less, so that it is never ahead", () => {
    roundTrip(1_000, 10, 10);
    expect(server.offsetMs).toBe(1_000);
    expect(server.nowMs()).toBe(clock.wallMs() + 1_000 - 11);
    expect(server.wallOf(server.nowMs())).toBe(clock.wallMs());
  });

  it.each([1_000, -1_000])("is never ahead of a server at %d ms, wherever in the round trip it took its time", (ms) => {
    for (const [outMs, backMs] of [
      [30, 0],
      [0, 30],
      [6, 2],
      [9, 0],
    ] as const) {
      roundTrip(ms, outMs, backMs);
      expect(server.nowMs()).toBeLessThanOrEqual(clock.wallMs() + ms);
      clock.advance(500);
    }
    expect(server.nowMs()).toBeGreaterThan(clock.wallMs() + ms - 3);
  });

  it("takes an offset within the error of the round trip for none", () => {
    roundTrip(0, 20, 4);
    roundTrip(3, 4, 4);
    expect(server.offsetMs).toBe(0);
  });

  it("trusts the shortest of the last round trips", () => {
    roundTrip(500, 1, 1);
    for (let i = 0; i < 5; i++) {
      clock.advance(1_000);
      roundTrip(500, 80, 0);
    }
    expect(server.offsetMs).toBe(500);
  });

  it("forgets older samples when the server's clock was set", () => {
    roundTrip(500, 1, 1);
    roundTrip(900, 10, 10);
    expect(server.offsetMs).toBe(900);
  });

  it("lets a good sample age: clocks drift apart", () => {
    roundTrip(500, 1, 1);
    clock.advance(60_000);
    roundTrip(504, 2, 2);
    expect(server.offsetMs).toBe(504);
  });

  it("is not synchronised at first, nor after it was invalidated, until something newer is learnt", () => {
    expect(server.isSynchronised).toBe(false);
    const sentAtMs = clock.monotonicMs();
    clock.advance(1);
    server.invalidate();
    server.learn({ sentAtMs, receivedAtMs: clock.monotonicMs(), receivedWallMs: clock.wallMs(), serverTimeMs: 1 });
    expect(server.isSynchronised).toBe(false);
    clock.advance(1);
    roundTrip(100, 1, 1);
    expect(server.isSynchronised).toBe(true);
    expect(server.offsetMs).toBe(100);
  });

  it("refuses a time that is none", () => {
    roundTrip(Number.NaN, 1, 1);
    expect(server.isSynchronised).toBe(false);
  });
});
