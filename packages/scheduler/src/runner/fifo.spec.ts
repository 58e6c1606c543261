import { Fifo } from "./fifo.js";

describe("fifo", () => {
  it("gives what came first, and undefined where nothing waits", () => {
    const fifo = new Fifo<number>();
    expect(fifo.shift()).toBeUndefined();
    fifo.push(1);
    fifo.push(2);
    expect([fifo.size, fifo.shift(), fifo.shift(), fifo.shift(), fifo.size]).toEqual([2, 1, 2, undefined, 0]);
  });

  it("loses nothing while it grows and shrinks", () => {
    const fifo = new Fifo<number>();
    const taken: number[] = [];
    let added = 0;
    for (const [adds, takes] of [
      [1_000, 10],
      [0, 600],
      [200, 100],
      [1, 491],
      [70, 69],
      [5, 6],
    ] as const) {
      for (let count = 0; count < adds; count++) fifo.push(++added);
      for (let count = 0; count < takes; count++) taken.push(fifo.shift()!);
      expect(fifo.size).toBe(added - taken.length);
    }
    expect(taken).toEqual(Array.from({ length: 1_276 }, (_, index) => index + 1));
  });
});
