import { DrivenQueue, nextTurn, noLimits, reminders, runsOf } from "./run-queue.fixture.js";
import { RunQueue } from "./run-queue.js";

describe("what calls nobody", () => {
  it("starts at once and in order, whatever is in flight", async () => {
    const driven = new DrivenQueue({ maxConcurrency: 1 });
    driven.add(...runsOf("a", 1, 2), ...reminders(300));
    expect(driven.startedNames).toEqual([...reminders(300).map(({ name }) => name), "a1.0"]);
    expect([driven.queue.inFlight, driven.queue.waiting]).toEqual([1, 1]);
    expect(driven.asked.isWanted).toBe(1);
    await nextTurn();
    expect(driven.started.length).toBe(301);
  });

  it("lets other work in between thousands", async () => {
    const driven = new DrivenQueue({});
    const all = reminders(20_000);
    driven.add(...all);
    expect(driven.started.length).toBe(1_000);
    driven.add(...runsOf("a", 1, 1));
    expect(driven.startedNames.at(-1)).toBe("a1.0");
    let before = driven.started.length;
    while (driven.queue.waiting > 0) {
      await nextTurn();
      expect(driven.started.length - before).toBeLessThanOrEqual(1_000);
      before = driven.started.length;
    }
    expect(driven.started.filter(({ lane }) => lane === undefined)).toEqual(all);
  });
});

describe("limits in flight", () => {
  it("runs so many at a time, in order", async () => {
    const driven = new DrivenQueue({ maxConcurrency: 2 });
    const runs = runsOf("a", 1, 4);
    driven.add(...runs);
    expect(driven.startedNames).toEqual(["a1.0", "a1.1"]);
    expect([driven.queue.waiting, driven.queue.inFlight, driven.queue.hosts]).toEqual([2, 2, 1]);
    await driven.end(runs[1]!);
    expect(driven.startedNames).toEqual(["a1.0", "a1.1", "a1.2"]);
    await driven.endAll();
    expect(driven.startedNames).toEqual(["a1.0", "a1.1", "a1.2", "a1.3"]);
    expect([driven.queue.waiting, driven.queue.inFlight, driven.queue.hosts]).toEqual([0, 0, 0]);
  });

  it("runs so many at a host", async () => {
    const driven = new DrivenQueue({ maxConcurrencyPerHost: 2 });
    const [a1, a2] = [runsOf("a", 1, 2), runsOf("a", 2, 2)];
    driven.add(...a1, ...a2, ...runsOf("b", 3, 2));
    expect(driven.startedNames.sort()).toEqual(["a1.0", "a2.0", "b3.0", "b3.1"]);
    await driven.end(a2[0]!);
    expect(driven.startedNames.slice(4)).toEqual(["a1.1"]);
    await driven.end(a1[0]!, a1[1]!);
    expect(driven.startedNames.slice(5)).toEqual(["a2.1"]);
  });

  it("runs so many of a task, and others of its host beside it", async () => {
    const driven = new DrivenQueue({ maxConcurrencyPerTask: 1 });
    const a1 = runsOf("a", 1, 3);
    driven.add(...a1);
    driven.add(...runsOf("a", 2, 2));
    expect(driven.startedNames).toEqual(["a1.0", "a2.0"]);
    await driven.end(a1[0]!);
    await driven.end(a1[1]!);
    expect(driven.startedNames).toEqual(["a1.0", "a2.0", "a1.1", "a1.2"]);
  });

  it("starts so many calls in a turn of the event loop", async () => {
    const driven = new DrivenQueue({});
    driven.add(...runsOf("a", 1, 1_500));
    expect(driven.started.length).toBe(1_000);
    await nextTurn();
    expect(driven.started.length).toBe(1_500);
  });
});

describe("turns", () => {
  it("go round the hosts when slots are scarce, however much waits at one", async () => {
    const driven = new DrivenQueue({ maxConcurrency: 1 });
    driven.add(...runsOf("a", 1, 3), ...runsOf("b", 2, 3), ...runsOf("c", 3, 1));
    await driven.endAll();
    expect(driven.startedNames).toEqual(["a1.0", "b2.0", "c3.0", "a1.1", "b2.1", "a1.2", "b2.2"]);
  });

  it("go round the tasks of a host, and keep the order within each", async () => {
    const driven = new DrivenQueue({ maxConcurrencyPerHost: 1 });
    driven.add(...runsOf("a", 1, 3), ...runsOf("a", 2, 2), ...runsOf("a", 3, 1));
    await driven.endAll();
    expect(driven.startedNames).toEqual(["a1.0", "a2.0", "a3.0", "a1.1", "a2.1", "a1.2"]);
  });

  it("give a host no more for having many tasks", async () => {
    const driven = new DrivenQueue({ maxConcurrency: 1 });
    driven.add(...runsOf("a", 1, 1), ...runsOf("a", 2, 1), ...runsOf("a", 3, 1), ...runsOf("b", 4, 3));
    await driven.endAll();
    expect(driven.startedNames).toEqual(["a1.0", "b4.0", "a2.0", "b4.1", "a3.0", "b4.2"]);
  });

  it("pass a host at its limit by, and come to it again when one of its runs has ended", async () => {
    const driven = new DrivenQueue({ maxConcurrency: 3, maxConcurrencyPerHost: 1 });
    const [a, b, c] = [runsOf("a", 1, 3), runsOf("b", 2, 1), runsOf("c", 3, 2)];
    driven.add(...a, ...b, ...c);
    expect(driven.startedNames).toEqual(["a1.0", "b2.0", "c3.0"]);
    await driven.end(b[0]!);
    expect(driven.started.length).toBe(3);
    await driven.end(c[0]!, a[0]!);
    expect(driven.startedNames.slice(3).sort()).toEqual(["a1.1", "c3.1"]);
  });
});

describe("a slow host with 10,000 waiting", () => {
  const slow = runsOf("slow", 1, 10_000);
  const startSlow = () => {
    const driven = new DrivenQueue({ maxConcurrency: 2_000, maxConcurrencyPerHost: 64, maxConcurrencyPerTask: 16 });
    driven.add(...slow);
    expect(driven.queue.inFlight).toBe(16);
    driven.add(...[2, 3, 4].flatMap((taskId) => runsOf("slow", taskId, 1_000)));
    expect(driven.queue.inFlight).toBe(64);
    return driven;
  };

  it("delays none of 1,000 others", async () => {
    const driven = startSlow();
    await nextTurn();
    driven.started.length = 0;
    const others = Array.from({ length: 1_000 }, (_, index) => runsOf(`fast${index % 100}`, index, 1)).flat();
    driven.add(...others);
    expect(driven.started.length).toBe(1_000);
    expect(new Set(driven.started)).toEqual(new Set(others));
  });

  it("is not looked through when something is added, ends or starts", async () => {
    const driven = startSlow();
    await nextTurn();
    const inFlight = driven.inFlight[0]!;
    driven.asked.laneOf = driven.asked.isWanted = driven.asked.isOpen = 0;
    driven.add(...runsOf("slow", 5, 1));
    expect(driven.asked).toEqual({ laneOf: 1, isWanted: 0, isOpen: 0 });
    driven.add(...runsOf("fast", 6, 1));
    expect(driven.asked).toEqual({ laneOf: 2, isWanted: 1, isOpen: 1 });
    await driven.end(inFlight);
    expect(driven.asked).toEqual({ laneOf: 2, isWanted: 2, isOpen: 2 });
    driven.queue.resume();
    expect(driven.asked).toEqual({ laneOf: 2, isWanted: 2, isOpen: 2 });
  });
});

describe("what is not wanted any more", () => {
  it("takes no slot and none of the rate when its turn comes, and is forgotten", async () => {
    const driven = new DrivenQueue({ maxConcurrencyPerHost: 1, maxRatePerHost: 1 });
    const [first, ...withdrawn] = runsOf("a", 1, 10_000);
    const kept = runsOf("a", 2, 2);
    driven.add(first!, ...withdrawn, ...kept);
    for (const run of withdrawn) run.isWanted = false;
    expect([driven.queue.waiting, driven.queue.inFlight]).toEqual([10_001, 1]);
    await driven.end(first!);
    await driven.end(kept[0]!);
    expect(driven.started).toEqual([first, kept[0]]);
    driven.time.advance(1_000);
    expect(driven.started).toEqual([first, ...kept]);
    expect([driven.queue.waiting, driven.asked.isWanted]).toEqual([0, 10_002]);
    await driven.endAll();
    driven.time.advance(10_000);
    expect([driven.queue.hosts, driven.time.size]).toEqual([0, 0]);
  });

  it("keeps nobody from the slot that it does not take", async () => {
    const driven = new DrivenQueue({ maxConcurrency: 1 });
    const [a, b, c] = [runsOf("a", 1, 2), runsOf("b", 2, 2), runsOf("c", 3, 1)];
    driven.add(...a, ...b, ...c);
    for (const run of [a[1]!, ...b]) run.isWanted = false;
    await driven.end(a[0]!);
    expect(driven.startedNames).toEqual(["a1.0", "c3.0"]);
    expect(driven.queue.hosts).toBe(2);
    await driven.endAll();
    expect([driven.queue.waiting, driven.queue.hosts]).toEqual([0, 0]);
  });
});

describe("a host's rate", () => {
  it("spaces its starts, and nobody else's, by one timer", async () => {
    const driven = new DrivenQueue({ maxRatePerHost: 10 });
    driven.add(...runsOf("a", 1, 4), ...runsOf("b", 2, 1));
    expect(driven.startedNames).toEqual(["a1.0", "b2.0", "a1.1"]);
    expect(driven.time.size).toBe(1);
    driven.time.advance(99);
    expect(driven.started.length).toBe(3);
    driven.add(...runsOf("c", 3, 3));
    expect(driven.startedNames.slice(3)).toEqual(["c3.0", "c3.1"]);
    expect(driven.time.size).toBe(1);
    driven.time.advance(1);
    expect(driven.startedNames.slice(5)).toEqual(["a1.2"]);
    driven.time.advance(99);
    expect(driven.startedNames.slice(6)).toEqual(["c3.2"]);
    driven.time.advance(1);
    expect(driven.startedNames.slice(7)).toEqual(["a1.3"]);
  });

  it("holds for a host whose runs all end between", async () => {
    const driven = new DrivenQueue({ maxRatePerHost: 10 });
    for (const run of runsOf("a", 1, 30)) {
      driven.add(run);
      await driven.end(run);
      driven.time.advance(10);
    }
    // At 0 and 10 ms, 100, 200 and 300.
    expect(driven.started.length).toBe(5);
    expect(driven.queue.waiting).toBe(25);
    driven.time.advance(2_600);
    await driven.endAll();
    expect(driven.started.length).toBe(30);
    expect([driven.queue.hosts, driven.time.size]).toEqual([1, 1]);
    driven.time.advance(200);
    expect([driven.queue.hosts, driven.time.size]).toEqual([0, 0]);
  });

  it("and its limit in flight both hold", async () => {
    const driven = new DrivenQueue({ maxRatePerHost: 10, maxConcurrencyPerHost: 1 });
    const runs = runsOf("a", 1, 4);
    driven.add(...runs);
    expect([driven.started.length, driven.time.size]).toEqual([1, 0]);
    await driven.end(runs[0]!);
    expect([driven.started.length, driven.time.size]).toEqual([2, 0]);
    await driven.end(runs[1]!);
    expect([driven.started.length, driven.time.size]).toEqual([2, 1]);
    driven.time.advance(100);
    expect([driven.started.length, driven.time.size]).toEqual([3, 0]);
    driven.time.advance(1_000);
    expect(driven.started.length).toBe(3);
    await driven.end(runs[2]!);
    expect(driven.started.length).toBe(4);
  });

  it("needs no timer while a host waits for a slot", async () => {
    const driven = new DrivenQueue({ maxRatePerHost: 10, maxConcurrency: 1 });
    const [first, second] = runsOf("a", 1, 2);
    driven.add(first!);
    await driven.end(first!);
    expect([driven.queue.hosts, driven.time.size]).toEqual([1, 1]);
    driven.add(...runsOf("b", 2, 1), second!);
    expect([driven.startedNames, driven.time.size]).toEqual([["a1.0", "b2.0"], 0]);
    await driven.end(driven.inFlight[0]!);
    expect(driven.started.at(-1)).toBe(second);
  });

  it("starts nothing when its moment comes while the queue is closed, and goes on when it opens", () => {
    const driven = new DrivenQueue({ maxRatePerHost: 10 });
    driven.add(...runsOf("a", 1, 3));
    driven.isOpen = false;
    driven.time.advance(500);
    expect([driven.started.length, driven.time.size]).toEqual([2, 0]);
    driven.isOpen = true;
    driven.queue.resume();
    expect(driven.started.length).toBe(3);
  });

  it("goes by the system's timer where none is given", async () => {
    const { time, queue, started } = new DrivenQueue({ maxRatePerHost: 100 }, undefined, false);
    queue.add(runsOf("a", 1, 3));
    expect(started.length).toBe(2);
    time.advance(10);
    await new Promise<void>((resolve) => {
      const look = () => (started.length === 3 ? resolve() : setImmediate(look));
      look();
    });
    queue.stop();
  });
});

describe("closed", () => {
  it("starts nothing, nor after it was closed half-way, and goes on where it stood", () => {
    const driven = new DrivenQueue({}, () => {
      if (--left === 0) driven.isOpen = false;
    });
    let left = 0;
    driven.isOpen = false;
    driven.add(...runsOf("a", 1, 3), ...reminders(2));
    expect([driven.started.length, driven.queue.waiting]).toEqual([0, 5]);
    left = 4;
    driven.isOpen = true;
    driven.queue.resume();
    expect(driven.startedNames).toEqual(["reminder0", "reminder1", "a1.0", "a1.1"]);
    driven.isOpen = true;
    driven.queue.resume();
    expect(driven.startedNames.slice(4)).toEqual(["a1.2"]);
  });

  it("asks before each start", () => {
    const driven = new DrivenQueue({});
    driven.add(...runsOf("a", 1, 3), ...runsOf("b", 1, 3), ...reminders(3));
    expect(driven.asked.isOpen).toBe(9);
  });
});

describe("stopped", () => {
  it("sets no timer and starts nothing more, and what is in flight ends", async () => {
    const driven = new DrivenQueue({ maxRatePerHost: 10, maxConcurrency: 2 });
    driven.add(...runsOf("a", 1, 4));
    expect(driven.time.size).toBe(1);
    driven.queue.stop();
    expect(driven.time.size).toBe(0);
    driven.add(...runsOf("b", 2, 1), ...reminders(1));
    driven.queue.resume();
    await driven.endAll();
    expect([driven.started.length, driven.queue.inFlight, driven.time.size]).toEqual([2, 0, 0]);
    driven.queue.stop();
  });

  it("stops half-way", () => {
    const driven = new DrivenQueue({ maxRatePerHost: 10 }, ({ name }) => {
      if (name === "a1.1") driven.queue.stop();
    });
    driven.add(...runsOf("a", 1, 4), ...runsOf("b", 2, 2));
    expect([driven.startedNames, driven.time.size]).toEqual([["a1.0", "b2.0", "a1.1"], 0]);
  });
});

it("sees to a resume amid its own question", async () => {
  let asked = 0;
  const started: number[] = [];
  const queue = new RunQueue<number>({
    limits: noLimits,
    laneOf: () => undefined,
    isWanted: () => true,
    isOpen: () => {
      if (++asked > 1) return true;
      queue.resume();
      return false;
    },
    run: async (item) => void started.push(item),
    nowMs: () => 0,
  });
  queue.add([1]);
  expect(started).toEqual([]);
  await nextTurn();
  expect(started).toEqual([1]);
});

it("takes what a run adds while it starts", async () => {
  const [inner, outer] = [runsOf("b", 2, 2), runsOf("a", 1, 1)];
  const more = reminders(2);
  const driven = new DrivenQueue({}, (run) => {
    if (run === outer[0]) driven.add(...inner, ...more);
  });
  driven.add(...outer);
  await nextTurn();
  expect(driven.startedNames.sort()).toEqual(["a1.0", "b2.0", "b2.1", "reminder0", "reminder1"]);
});
