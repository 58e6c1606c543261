import { createWriteQueue, type WriteEntry } from "./write-queue.js";

/** An entry that records what became of it. */
function entry(keys: readonly string[], options: { weight?: number; signal?: AbortSignal } = {}) {
  const rejections: unknown[] = [];
  const made: WriteEntry = {
    command: {
      keys,
      weight: options.weight ?? 1,
      validateOnly: false,
      needs: {},
      decide: () => () => undefined,
    },
    signal: options.signal,
    resolve: () => undefined,
    reject: (error) => rejections.push(error),
  };
  return { ...made, rejections };
}

it("takes in the order of arrival, up to a bound of rows", () => {
  const queue = createWriteQueue();
  const entries = ["a", "b", "c", "d"].map((key) => entry([key], { weight: 200 }));
  for (const each of entries) queue.add(each);
  expect(queue.weight()).toBe(800);
  expect(queue.take()).toEqual(entries.slice(0, 2));
  expect(queue.take()).toEqual(entries.slice(2));
  expect(queue.take()).toEqual([]);
  expect(queue.weight()).toBe(0);
});

it("takes one command that is larger than a group, alone", () => {
  const queue = createWriteQueue();
  const [large, small] = [entry(["a"], { weight: 5_000 }), entry(["b"])];
  queue.add(large);
  queue.add(small);
  expect(queue.take()).toEqual([large]);
  expect(queue.take()).toEqual([small]);
});

it("holds back what shares a key with a group under way, and what shares one with that", () => {
  const queue = createWriteQueue();
  const [first, second, third, other] = [entry(["a"]), entry(["a", "b"]), entry(["b"]), entry(["c"])];
  for (const each of [first, second, third, other]) queue.add(each);
  const group = queue.take();
  expect(group).toEqual([first, other]);
  expect(queue.take()).toEqual([]);
  queue.release(group);
  const next = queue.take();
  expect(next).toEqual([second]);
  queue.release(next);
  expect(queue.take()).toEqual([third]);
});

it("drops what nobody waits for any more, with the reason", () => {
  const queue = createWriteQueue();
  const controller = new AbortController();
  const [given, kept] = [entry(["a"], { signal: controller.signal }), entry(["a"])];
  queue.add(given);
  queue.add(kept);
  const reason = new Error("the deadline has passed");
  controller.abort(reason);
  expect(queue.take()).toEqual([kept]);
  expect(given.rejections).toEqual([reason]);
  expect(queue.weight()).toBe(0);
});

it("drops an entry on request, wherever it waits, and goes on with the entries behind it", () => {
  const queue = createWriteQueue();
  const [underWay, middle, last, free] = [entry(["a"]), entry(["a", "b"]), entry(["a"]), entry(["c"])];
  queue.add(underWay);
  const group = queue.take();
  for (const each of [middle, last, free]) queue.add(each);
  const late = new Error("late");
  expect(queue.drop(middle, late)).toBe(true);
  expect(queue.drop(free, late)).toBe(true);
  expect([middle.rejections, last.rejections, free.rejections]).toEqual([[late], [], [late]]);
  expect(queue.weight()).toBe(1);
  queue.release(group);
  expect(queue.take()).toEqual([last]);
  const [behind] = [entry(["b", "c"])];
  queue.add(behind);
  expect(queue.take()).toEqual([behind]);
});

it("drops neither what is under way nor the same entry twice", () => {
  const queue = createWriteQueue();
  const [underWay, waiting] = [entry(["a"]), entry(["a"])];
  queue.add(underWay);
  const group = queue.take();
  queue.add(waiting);
  expect(queue.drop(underWay, new Error("late"))).toBe(false);
  expect(queue.drop(waiting, new Error("late"))).toBe(true);
  expect(queue.drop(waiting, new Error("late"))).toBe(false);
  expect([underWay.rejections.length, waiting.rejections.length, queue.weight()]).toEqual([0, 1, 0]);
  queue.release(group);
  expect(queue.take()).toEqual([]);
});

it("says when it is full", () => {
  const queue = createWriteQueue();
  queue.add(entry(["a"], { weight: 49_999 }));
  expect(queue.isFull()).toBe(false);
  queue.add(entry(["b"]));
  expect(queue.isFull()).toBe(true);
});

it("lets a long line for one key hold up nobody else", () => {
  const queue = createWriteQueue();
  for (let count = 0; count < 10_000; count += 1) queue.add(entry(["hot"]));
  const cold = entry(["cold"]);
  queue.add(cold);
  const group = queue.take();
  expect(group).toHaveLength(2);
  expect(group).toContain(cold);
  expect(queue.take()).toEqual([]);
  queue.release(group);
  expect(queue.take()).toHaveLength(1);
});

it("takes a command that names one key twice", () => {
  const queue = createWriteQueue();
  const [twice, behind] = [entry(["a", "a"]), entry(["a"])];
  queue.add(twice);
  queue.add(behind);
  const group = queue.take();
  expect(group).toEqual([twice]);
  queue.release(group);
  expect(queue.take()).toEqual([behind]);
});

it("rejects all that waits, and goes on with what comes after what is under way", () => {
  const queue = createWriteQueue();
  const [underWay, behind, free] = [entry(["a"]), entry(["a", "b"]), entry(["c"])];
  queue.add(underWay);
  const group = queue.take();
  queue.add(behind);
  queue.add(free);
  const error = new Error("away");
  queue.rejectAll(error);
  expect([underWay.rejections, behind.rejections, free.rejections]).toEqual([[], [error], [error]]);
  expect(queue.weight()).toBe(0);
  const [later, other] = [entry(["a"]), entry(["b"])];
  queue.add(later);
  queue.add(other);
  expect(queue.take()).toEqual([other]);
  queue.release(group);
  expect(queue.take()).toEqual([later]);
});

it("counts what writes no row as one", () => {
  const queue = createWriteQueue();
  queue.add(entry([], { weight: 0 }));
  expect(queue.weight()).toBe(1);
});
