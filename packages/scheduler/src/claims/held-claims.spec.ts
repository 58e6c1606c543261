import type { Target } from "@taskscheduler/proto";
import type { HeldClaim, Outcome } from "./held-claim.js";
import { HeldClaims } from "./held-claims.js";
import { SettledFences } from "./settled-fences.js";

const key = "1.100";
const grantOf = (fence: number, taskId = 1) => {
  return { taskId, scheduledTimeMs: 100, runTimeMs: 100, fence, attempt: 1, target: undefined };
};
const outcome = (succeeded: boolean): Outcome => ({
  ...{ state: succeeded ? "SUCCEEDED" : "FAILED", startTimeMs: 100, endTimeMs: 100, error: "" },
  ...{ failure: succeeded ? "NONE" : "CONNECTION", httpStatus: 0, retryAfterMs: 0 },
});

describe("held claims", () => {
  let settled: SettledFences;
  let held: HeldClaims;
  let armed: HeldClaim[];
  let gone: HeldClaim[];
  let again: HeldClaim[];

  beforeEach(() => {
    settled = new SettledFences();
    [armed, gone, again] = [[], [], []];
    held = new HeldClaims({
      settled,
      onArmed: (claim) => armed.push(claim),
      onGone: (claim) => gone.push(claim),
      onReport: (claim) => again.push(claim),
    });
  });

  const last = (): HeldClaim => armed.at(-1)!;

  function ended(claim: HeldClaim, succeeded = true): void {
    held.due(claim);
    expect(held.start(claim, 100)).toBe(true);
    held.end(claim, outcome(succeeded));
  }

  it("is held from the grant to the acknowledged report", () => {
    expect(held.grant(grantOf(1), 5)).toBe(true);
    expect(held.snapshot(5).claims).toEqual([last()]);
    ended(last());
    expect(held.endedSize).toBe(1);
    expect(held.snapshot(5).claims).toHaveLength(1);
    held.reported(last(), 1);
    expect(held.size).toBe(0);
    expect(last().state).toBe("gone");
  });

  it("knows about how much it is to call", () => {
    const webhook = { url: "http://a/", headers: {}, body: "x".repeat(5_000) };
    held.grant({ ...grantOf(1), target: { webhook } as unknown as Target }, 5);
    expect(held.targetBytes).toBeGreaterThan(5_000);
    held.withdraw(key, 2);
    expect(held.targetBytes).toBe(0);
  });

  it("hands back what is too much for one host when little room is left, and takes the others' on", () => {
    const at = (url: string) => ({ webhook: { url, headers: {}, body: "" } }) as unknown as Target;
    const grant = (taskId: number, url: string) => {
      held.grant({ ...grantOf(1, taskId), target: at(url) }, 5);
      held.due(last());
    };
    for (let taskId = 1; taskId <= 40_000; taskId++) grant(taskId, "http://slow/");
    for (let taskId = 40_001; taskId <= 50_000; taskId++) grant(taskId, "http://other/");
    expect(again).toEqual([]);
    grant(50_001, "http://slow/");
    expect(again).toHaveLength(1);
    expect(again[0]).toMatchObject({
      state: "ended",
      outcome: { state: "RETRYING", error: "too much waits for slow" },
    });
    expect(again[0]!.outcome!.retryAfterMs).toBeGreaterThanOrEqual(30_000);
    grant(50_002, "http://third/");
    held.grant(grantOf(1, 50_003), 5);
    held.due(last());
    expect(again).toHaveLength(1);
    held.reported(again[0]!, 1);
    for (let taskId = 1; taskId <= 10; taskId++) held.withdraw(`${taskId}.100`, 2);
    grant(50_004, "http://slow/");
    expect(again).toHaveLength(1);
  });

  it("hands back what is due when it closes, and leaves what is not", () => {
    held.grant(grantOf(1, 1), 5);
    held.grant(grantOf(1, 2), 5);
    held.due(armed[0]!);
    expect(held.close()).toBe(2);
    expect(gone).toEqual([armed[1]]);
    expect(again).toEqual([armed[0]]);
    expect(again[0]).toMatchObject({ state: "ended", outcome: { state: "RETRYING", retryAfterMs: 0 } });
  });

  it("aborts a run that a user has cancelled, and keeps it until it is reported", () => {
    held.grant({ ...grantOf(1), target: {} as Target }, 5);
    held.cancel(key, 2);
    held.due(last());
    expect(held.start(last(), 100)).toBe(true);
    held.cancel(key, 1);
    expect(last().running?.signal.aborted).toBe(false);
    const running = last().running;
    held.cancel(key, 2);
    expect(running?.signal.aborted).toBe(true);
    held.end(last(), { ...outcome(false), state: "CANCELLED" });
    held.reported(last(), 1);
    expect(held.size).toBe(0);
  });

  it("takes the same grant once", () => {
    held.grant(grantOf(1), 5);
    expect(held.grant(grantOf(1), 5)).toBe(false);
    expect(armed).toHaveLength(1);
  });

  it("starts a claim once, and only when it is due", () => {
    held.grant(grantOf(1), 5);
    expect(held.start(last(), 100)).toBe(false);
    held.due(last());
    expect(held.start(last(), 100)).toBe(true);
    expect(held.start(last(), 100)).toBe(false);
  });

  it("waits again when it came too early", () => {
    held.grant(grantOf(1), 5);
    held.due(last());
    held.postpone(last());
    expect(armed).toHaveLength(2);
    expect(held.start(last(), 100)).toBe(false);
  });

  describe("withdrawals", () => {
    it("take what has not started, be it waiting for its time or for its turn", () => {
      held.grant(grantOf(1), 5);
      held.grant(grantOf(1, 2), 5);
      held.due(last());
      held.withdraw(key, 2);
      held.withdraw("2.100", 2);
      expect(gone).toHaveLength(2);
      expect(held.start(last(), 100)).toBe(false);
    });

    it("leave alone what has started, which then reports under its old fence", () => {
      held.grant(grantOf(1), 5);
      ended(last());
      held.withdraw(key, 2);
      expect(held.size).toBe(1);
      expect(last().fence).toBe(1);
    });

    it("leave alone a younger grant", () => {
      held.grant(grantOf(3), 5);
      held.withdraw(key, 2);
      expect(held.size).toBe(1);
    });

    it("hold against a grant that they overtook, but not against the next one", () => {
      const callEnds = settled.callBegins();
      held.withdraw(key, 2);
      expect(held.grant(grantOf(1), 5)).toBe(false);
      expect(held.grant(grantOf(3), 5)).toBe(true);
      callEnds();
    });
  });

  describe("heartbeats", () => {
    it("drop what they listed and has not started", () => {
      held.grant(grantOf(1), 5);
      const { grantNumber } = held.snapshot(5);
      held.drop(key, grantNumber);
      expect(held.size).toBe(0);
    });

    it("do not drop what was granted after they were sent, not even anew", () => {
      const before = held.snapshot(5);
      held.grant(grantOf(1), 5);
      held.drop(key, before.grantNumber);
      expect(held.size).toBe(1);
      const between = held.snapshot(5);
      held.grant(grantOf(3), 5);
      held.drop(key, between.grantNumber);
      expect(held.size).toBe(1);
    });

    it("do not drop what has started", () => {
      held.grant(grantOf(1), 5);
      ended(last());
      held.drop(key, held.snapshot(5).grantNumber);
      expect(held.size).toBe(1);
    });

    it("do not bring back what ran and was reported while they were on their way", () => {
      const callEnds = settled.callBegins();
      held.grant(grantOf(1), 5);
      ended(last());
      held.reported(last(), 1);
      expect(held.grant(grantOf(1), 5)).toBe(false);
      callEnds();
    });
  });

  describe("when the incarnation ends", () => {
    it("gives up what has not started, and lists the rest under the old one alone", () => {
      held.grant(grantOf(1), 5);
      ended(last());
      held.grant(grantOf(1, 2), 5);
      held.incarnationEnded(5);
      expect(gone.map(({ taskId }) => taskId)).toEqual([2]);
      expect(held.snapshot(6).claims).toEqual([]);
      expect(held.endedSize).toBe(1);
    });

    it("reports under the new fence what ran well and was handed to it again, rather than run it twice", () => {
      held.grant(grantOf(1), 5);
      ended(last());
      held.incarnationEnded(5);
      expect(held.grant(grantOf(2), 6)).toBe(true);
      expect(armed).toHaveLength(1);
      expect(again).toEqual([last()]);
      held.reported(last(), 1);
      expect(held.size).toBe(1);
      expect(again).toHaveLength(2);
      held.reported(last(), 2);
      expect(held.size).toBe(0);
    });

    it("runs again what failed and was granted anew", () => {
      held.grant(grantOf(1), 5);
      const [first] = armed;
      ended(first!, false);
      held.grant(grantOf(2), 6);
      expect(armed).toHaveLength(2);
      expect(first!.state).toBe("gone");
      held.reported(first!, 1);
      expect(held.size).toBe(1);
    });
  });

  it("once closed, leaves what has not started to others and takes nothing more", () => {
    held.grant(grantOf(1), 5);
    ended(last());
    held.grant(grantOf(1, 2), 5);
    expect(held.close()).toBe(1);
    expect(held.grant(grantOf(1, 3), 5)).toBe(false);
    expect(held.size).toBe(1);
  });
});

describe("settled fences", () => {
  it("are remembered for as long as a call is open that began before", () => {
    const settled = new SettledFences();
    const first = settled.callBegins();
    settled.settle("a", 1);
    const second = settled.callBegins();
    expect(settled.isNews("a", 1)).toBe(false);
    expect(settled.isNews("a", 2)).toBe(true);
    first();
    first();
    settled.settle("b", 1);
    expect(settled.isNews("b", 1)).toBe(false);
    second();
    expect(settled.size).toBe(0);
  });

  it("do not pile up while calls overlap without end", () => {
    const settled = new SettledFences();
    let open = settled.callBegins();
    for (let i = 0; i < 1_000; i++) {
      settled.settle(`${i}`, 1);
      const next = settled.callBegins();
      open();
      open = next;
      expect(settled.isNews(`${i}`, 1)).toBe(false);
      expect(settled.size).toBeLessThan(10);
    }
  });

  it("are not kept when no call is open", () => {
    const settled = new SettledFences();
    settled.settle("a", 1);
    expect(settled.size).toBe(0);
  });
});
