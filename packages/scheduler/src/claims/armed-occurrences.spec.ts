import { type ArmedOccurrence, ArmedOccurrences } from "./armed-occurrences.js";

describe("armed occurrences", () => {
  let heldKeys: Set<string>;
  let log: string[];
  let occurrences: ArmedOccurrence[];
  let armed: ArmedOccurrences;

  beforeEach(() => {
    heldKeys = new Set();
    log = [];
    occurrences = [];
    armed = new ArmedOccurrences({
      maxArmed: 4,
      isUnderWay: (key) => heldKeys.has(key),
      onArmed: (occurrence) => {
        log.push(`+${occurrence.key}`);
        occurrences.push(occurrence);
      },
      onDisarmed: ({ key }) => log.push(`-${key}`),
      onFull: () => log.push("full"),
    });
    armed.beginGeneration();
  });

  it("replaces a task's own, and keeps recorded ones beside it", () => {
    armed.arm(1, 100, false);
    armed.arm(1, 90, true);
    armed.arm(1, 80, true);
    armed.arm(1, 200, false);
    expect(log).toEqual(["+1.100", "+1.90", "+1.80", "-1.100", "+1.200"]);
    expect(armed.size).toBe(3);
    expect(occurrences.map((each) => armed.isArmed(each))).toEqual([false, true, true, true]);
  });

  it("disarms a task's own and nothing else", () => {
    armed.arm(1, 100, false);
    armed.arm(1, 90, true);
    armed.disarm(1);
    armed.disarm(2);
    expect(armed.size).toBe(1);
  });

  it("takes what it knows for confirmed, and forgets what a new subscription does not name", () => {
    armed.arm(1, 100, false);
    armed.arm(2, 100, false);
    armed.arm(3, 50, true);
    armed.beginGeneration();
    armed.arm(1, 100, false);
    expect(armed.size).toBe(3);
    armed.confirmBefore(1_000);
    expect(log).toEqual(["+1.100", "+2.100", "+3.50", "-2.100", "-3.50"]);
  });

  it("keeps what lies beyond the window until the window gets there", () => {
    armed.arm(1, 100, false);
    armed.arm(2, 200, false);
    armed.arm(3, 300, false);
    armed.beginGeneration();
    armed.confirmBefore(200);
    expect(log.at(-1)).toBe("-1.100");
    armed.arm(3, 300, false);
    armed.confirmBefore(400);
    expect(log.at(-1)).toBe("-2.200");
    expect(armed.size).toBe(1);
  });

  it("leaves out what is held: it was named before it was claimed", () => {
    heldKeys.add("1.100");
    armed.arm(1, 200, false);
    armed.arm(1, 100, false);
    expect(log).toEqual(["+1.200"]);
  });

  it("arms the next occurrence that a claim's answer names", () => {
    armed.arm(1, 100, false);
    armed.settle(occurrences[0]!, 200);
    expect(log).toEqual(["+1.100", "-1.100", "+1.200"]);
    armed.settle(occurrences[1]!, undefined);
    expect(armed.size).toBe(0);
  });

  it("believes the feed when it named another since the claim was asked for", () => {
    armed.arm(1, 100, false);
    armed.arm(1, 150, false);
    armed.settle(occurrences[0]!, 200);
    expect(armed.isArmed(occurrences[1]!)).toBe(true);
    expect(armed.size).toBe(1);
  });

  it("keeps an answer's next occurrence through the end of a subscription that began before", () => {
    armed.arm(1, 100, false);
    armed.beginGeneration();
    armed.settle(occurrences[0]!, 200);
    armed.confirmBefore(1_000);
    expect(armed.size).toBe(1);
  });

  it("has a bound", () => {
    for (let id = 1; id <= 5; id++) armed.arm(id, 100, false);
    expect(armed.size).toBe(4);
    expect(log.at(-1)).toBe("full");
  });
});
