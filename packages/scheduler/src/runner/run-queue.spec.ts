import { RunQueue } from "./run-queue.js";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("run queue", () => {
  it("runs so many at a time, in order", async () => {
    const started: number[] = [];
    const ends: (() => void)[] = [];
    const run = (item: number) =>
      new Promise<void>((resolve) => {
        started.push(item);
        ends.push(resolve);
      });
    const queue = new RunQueue<number>({ maxConcurrency: 2, isOpen: () => true, run });
    queue.add([1, 2, 3, 4]);
    expect(started).toEqual([1, 2]);
    expect(queue.size).toBe(2);
    ends[1]!();
    await turn();
    expect(started).toEqual([1, 2, 3]);
    expect(queue.inFlight).toBe(2);
  });

  it("lets other work in between thousands", async () => {
    let count = 0;
    const queue = new RunQueue<number>({ maxConcurrency: 256, isOpen: () => true, run: async () => void count++ });
    queue.add(Array.from({ length: 20_000 }, (_, index) => index));
    const counts: number[] = [];
    while (queue.size > 0) {
      await turn();
      counts.push(count);
    }
    await turn();
    expect(count).toBe(20_000);
    const largest = Math.max(...counts.map((each, index) => each - (counts[index - 1] ?? 0)));
    expect(largest).toBeLessThanOrEqual(2_000);
  });

  it("starts nothing while it is closed, nor after it was closed half-way", () => {
    let left = 0;
    const started: number[] = [];
    const queue = new RunQueue<number>({
      maxConcurrency: 100,
      isOpen: () => left-- > 0,
      run: async (item) => void started.push(item),
    });
    queue.add([1, 2, 3]);
    expect(started).toEqual([]);
    left = 2;
    queue.resume();
    expect(started).toEqual([1, 2]);
  });
});
