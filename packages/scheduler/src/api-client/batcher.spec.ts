import { createBackoff } from "@taskscheduler/runtime";
import { Batcher, sendApart } from "./batcher.js";

interface Call {
  readonly items: readonly number[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

describe("batcher", () => {
  let calls: Call[];
  let unwanted: Set<number>;
  let isOpen: boolean;
  let failures: number;
  let arrived: (() => void) | undefined;
  let batcher: Batcher<number>;

  beforeEach(() => {
    [calls, unwanted, isOpen, failures] = [[], new Set(), true, 0];
    batcher = new Batcher<number>({
      maxItems: 3,
      maxInFlight: 2,
      backoff: createBackoff({ initialMs: 1, maxMs: 2 }),
      isOpen: () => isOpen,
      isWanted: (item) => !unwanted.has(item),
      send: (items) =>
        new Promise((resolve, reject) => {
          calls.push({ items, resolve, reject });
          arrived?.();
        }),
      onFailure: () => failures++,
    });
  });
  afterEach(() => batcher.stop());

  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const add = (...items: number[]): void => {
    for (const each of items) batcher.add(each);
  };

  it("sends what came in one turn together, and the rest with the next call that ends", async () => {
    add(1, 2, 3, 4, 5, 6, 7, 8, 9, 9);
    await turn();
    expect(calls.map(({ items }) => items)).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    add(10);
    calls[0]!.resolve();
    await turn();
    await turn();
    expect(calls[2]!.items).toEqual([7, 8, 9]);
    expect(batcher.inFlight).toBe(2);
  });

  it("leaves out what is not wanted any more", async () => {
    add(1, 2, 3, 4);
    batcher.delete(1);
    unwanted.add(2);
    await turn();
    expect(calls.map(({ items }) => items)).toEqual([[3, 4]]);
  });

  it("sends again what a failed call held and is still wanted", async () => {
    add(1, 2);
    await turn();
    unwanted.add(1);
    const again = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    calls[0]!.reject(new Error("lost"));
    await again;
    expect(calls[1]!.items).toEqual([2]);
    expect(failures).toBe(1);
  });

  it("waits until it is open", async () => {
    isOpen = false;
    add(1);
    await turn();
    expect(calls).toEqual([]);
    isOpen = true;
    batcher.flush();
    await turn();
    expect(calls).toHaveLength(1);
  });

  it("begins nothing once it is stopped", async () => {
    add(1);
    batcher.stop();
    await turn();
    expect(calls).toEqual([]);
  });
});

describe("sendApart", () => {
  it("gives up the one item at fault, and delivers the rest", async () => {
    const delivered: number[] = [];
    const givenUp: number[] = [];
    const send = async (items: readonly number[]): Promise<void> => {
      if (items.includes(5)) throw new RangeError("5");
      delivered.push(...items);
    };
    await sendApart(
      [1, 2, 3, 4, 5, 6, 7],
      send,
      (error) => (error instanceof RangeError ? "PERMANENT" : undefined),
      (item) => givenUp.push(item),
    );
    expect(givenUp).toEqual([5]);
    expect(delivered.sort()).toEqual([1, 2, 3, 4, 6, 7]);
  });

  it("passes on what may pass", async () => {
    const send = () => Promise.reject(new Error("down"));
    await expect(
      sendApart(
        [1, 2],
        send,
        () => undefined,
        () => undefined,
      ),
    ).rejects.toThrow("down");
  });

  it("sends what is too large together by itself, and passes on what is so alone", async () => {
    const sizes: number[] = [];
    const send = async (items: readonly number[]): Promise<void> => {
      sizes.push(items.length);
      if (items.length > 2 || items.includes(9)) throw new Error("too large");
    };
    const givenUp = jest.fn();
    await sendApart([1, 2, 3, 4], send, () => "TOO_LARGE", givenUp);
    expect(sizes).toEqual([4, 2, 2]);
    await expect(sendApart([9], send, () => "TOO_LARGE", givenUp)).rejects.toThrow("too large");
    expect(givenUp).not.toHaveBeenCalled();
  });
});
