import { setOneShot } from "./one-shot.js";
import { type Alarm, SlotAlarms } from "./slot-alarms.js";

interface Item {
  readonly name: number;
  alarm: Alarm | undefined;
}

const item = (name: number): Item => ({ name, alarm: undefined });

/** A wall clock and its one-shots, both turned by the test. Jobs fire by the wall clock, the alarms are read by another. */
class Turned {
  wallMs = 1_000_000;
  offsetMs = 0;
  readonly jobs = new Set<{ wallMs: number; fire: () => void }>();
  /** Fires jobs that were cancelled, as node-schedule may. */
  readonly cancelled: { fire: () => void }[] = [];

  nowMs = (): number => this.wallMs + this.offsetMs;
  wallOf = (serverMs: number): number => serverMs - this.offsetMs;
  set = (wallMs: number, fire: () => void) => {
    if (wallMs <= this.wallMs) return undefined;
    const job = { wallMs, fire };
    this.jobs.add(job);
    return {
      cancel: () => {
        if (this.jobs.delete(job)) this.cancelled.push(job);
      },
    };
  };

  turnTo(wallMs: number): void {
    this.wallMs = wallMs;
    for (const job of [...this.jobs].sort((a, b) => a.wallMs - b.wallMs)) {
      if (job.wallMs <= wallMs && this.jobs.delete(job)) job.fire();
    }
  }
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("slot alarms", () => {
  let turned: Turned;
  let due: number[][];
  let errors: unknown[];
  let alarms: SlotAlarms<Item>;
  const start = 1_000_000;

  beforeEach(() => {
    turned = new Turned();
    due = [];
    errors = [];
    alarms = new SlotAlarms<Item>({
      slotMs: 10,
      clock: turned,
      setOneShot: turned.set,
      onDue: (items) => due.push(items.map(({ name }) => name)),
      onError: (error) => errors.push(error),
    });
  });

  it("hands over what lies in one slot together, in order, and never early", () => {
    for (const [name, ms] of [
      [1, 19],
      [2, 11],
      [3, 20],
      [4, 21],
    ] as const)
      alarms.set(item(name), start + ms);
    expect(turned.jobs.size).toBe(2);
    turned.turnTo(start + 19);
    expect(due).toEqual([]);
    turned.turnTo(start + 20);
    expect(due).toEqual([[2, 1, 3]]);
    turned.turnTo(start + 30);
    expect(due).toEqual([[2, 1, 3], [4]]);
    expect(alarms.size).toBe(0);
  });

  it("hands over what is past with the next turn", async () => {
    alarms.set(item(1), start - 50);
    alarms.set(item(2), start - 5_000);
    alarms.set(item(3), start);
    expect(due).toEqual([]);
    await nextTurn();
    expect(due).toEqual([[2, 1, 3]]);
  });

  it("moves and removes", () => {
    const [a, b] = [item(1), item(2)];
    alarms.set(a, start + 10);
    alarms.set(b, start + 10);
    alarms.set(a, start + 40);
    expect(alarms.delete(b)).toBe(true);
    expect(alarms.delete(b)).toBe(false);
    expect(alarms.size).toBe(1);
    expect(turned.jobs.size).toBe(1);
    turned.turnTo(start + 100);
    expect(due).toEqual([[1]]);
    expect(alarms.delete(a)).toBe(false);
  });

  it("takes what is due along when a job comes late", () => {
    for (let i = 0; i < 50; i++) alarms.set(item(i), start + 10 + i * 10);
    const [first] = [...turned.jobs];
    turned.wallMs = start + 400;
    turned.jobs.delete(first!);
    first!.fire();
    expect(due).toHaveLength(1);
    expect(due[0]).toEqual(Array.from({ length: 40 }, (_, i) => i));
    turned.turnTo(start + 1_000);
    expect(due.flat()).toHaveLength(50);
  });

  it("sets a job again that comes early by the corrected clock", () => {
    alarms.set(item(1), start + 100);
    turned.offsetMs = -50;
    turned.turnTo(start + 100);
    expect(due).toEqual([]);
    turned.turnTo(start + 149);
    expect(due).toEqual([]);
    turned.turnTo(start + 150);
    expect(due).toEqual([[1]]);
  });

  it("follows a clock that was set forwards", async () => {
    alarms.set(item(1), start + 60_000);
    alarms.set(item(2), start + 90_000);
    turned.wallMs = start + 61_000;
    alarms.rearm();
    await nextTurn();
    expect(due).toEqual([[1]]);
    turned.turnTo(start + 90_000);
    expect(due).toEqual([[1], [2]]);
  });

  it("follows a clock that was set back, and is deaf to cancelled jobs", () => {
    alarms.set(item(1), start + 1_000);
    turned.wallMs = start - 3_600_000;
    alarms.rearm();
    for (const job of turned.cancelled) job.fire();
    expect(due).toEqual([]);
    turned.turnTo(start + 999);
    expect(due).toEqual([]);
    turned.turnTo(start + 1_000);
    expect(due).toEqual([[1]]);
  });

  it("keeps an item set while its slot is handed over", () => {
    const again = item(1);
    alarms = new SlotAlarms<Item>({
      slotMs: 10,
      clock: turned,
      setOneShot: turned.set,
      onDue: (items) => {
        due.push(items.map(({ name }) => name));
        if (due.length === 1) alarms.set(again, start + 20);
      },
      onError: (error) => errors.push(error),
    });
    alarms.set(again, start + 10);
    turned.turnTo(start + 10);
    turned.turnTo(start + 20);
    expect(due).toEqual([[1], [1]]);
  });

  it("bears times beyond every timer, and reports what is no time", () => {
    alarms.set(item(1), start + 2 ** 33);
    alarms.set(item(2), Number.NaN);
    alarms.set(item(3), Number.POSITIVE_INFINITY);
    expect(errors).toHaveLength(2);
    expect(alarms.size).toBe(1);
    for (let day = 1; day < 100; day++) turned.turnTo(start + day * 86_400_000);
    expect(due).toEqual([]);
    turned.turnTo(start + 2 ** 33 + 10);
    expect(due).toEqual([[1]]);
  });

  it("forgets everything when it is stopped", async () => {
    alarms.set(item(1), start - 1);
    alarms.set(item(2), start + 100);
    alarms.stop();
    alarms.stop();
    alarms.set(item(3), start + 100);
    await nextTurn();
    turned.turnTo(start + 1_000);
    expect(due).toEqual([]);
    expect(turned.jobs.size).toBe(0);
  });
});

describe("slot alarms on node-schedule", () => {
  function create(onDue: (items: Item[]) => void, slotMs: number): SlotAlarms<Item> {
    const clock = { nowMs: Date.now, wallOf: (ms: number) => ms };
    const onError = (error: unknown) => {
      throw error;
    };
    return new SlotAlarms<Item>({ slotMs, clock, setOneShot, onDue, onError });
  }

  it("hands over 20,000 items of one instant at once, and not early", async () => {
    const atMs = Date.now() + 300;
    const { count, firedMs } = await new Promise<{ count: number; firedMs: number }>((resolve) => {
      const alarms = create((items) => resolve({ count: items.length, firedMs: Date.now() }), 5);
      for (let i = 0; i < 20_000; i++) alarms.set(item(i), atMs);
    });
    expect(count).toBe(20_000);
    expect(firedMs).toBeGreaterThanOrEqual(atMs);
  });

  it("arms and removes 200,000 items across a minute in linear time", () => {
    const alarms = create(() => undefined, 100);
    const startMs = Date.now() + 10_000;
    const items = Array.from({ length: 200_000 }, (_, name) => item(name));
    const time = (count: number): number => {
      const beganMs = performance.now();
      for (const each of items.slice(0, count)) alarms.set(each, startMs + ((each.name * 7_919) % 60_000));
      return performance.now() - beganMs;
    };
    const partMs = time(20_000);
    for (const each of items) alarms.delete(each);
    const wholeMs = time(200_000);
    expect(alarms.size).toBe(200_000);
    alarms.rearm();
    for (const each of items) alarms.delete(each);
    expect(alarms.size).toBe(0);
    alarms.stop();
    // Ten times as many; a hundred times as long, if each had to look at the others.
    expect(wholeMs).toBeLessThan(40 * Math.max(partMs, 5));
  });

  it("reports an error of its caller and lives on", async () => {
    const errors: unknown[] = [];
    await new Promise<void>((resolve) => {
      const fired = setOneShot(
        Date.now() + 20,
        () => {
          throw new Error("on purpose");
        },
        (error) => {
          errors.push(error);
          resolve();
        },
      );
      expect(fired).toBeDefined();
    });
    expect(errors).toHaveLength(1);
    expect(
      setOneShot(
        Date.now() - 1,
        () => undefined,
        () => undefined,
      ),
    ).toBeUndefined();
    expect(() =>
      setOneShot(
        Number.NaN,
        () => undefined,
        () => undefined,
      ),
    ).toThrow(RangeError);
  });
});
