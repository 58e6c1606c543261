import { createPermits } from "./permits.js";

const refusal = () => new Error("refused");

/** Work that ends when it is told to. */
function controlled() {
  let end = () => {};
  const begun = jest.fn();
  const work = () => {
    begun();
    return new Promise<void>((resolve) => {
      end = resolve;
    });
  };
  return { begun, work, end: () => end() };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

it("lets so many work at once, and the others one after the other in their order", async () => {
  const run = createPermits({ count: 2, maxWaiting: 10, waitMs: 60_000, refusal });
  const works = [controlled(), controlled(), controlled(), controlled()];
  const runs = works.map(({ work }) => run(work));
  await turn();
  const begun = () => works.map((each) => each.begun.mock.calls.length);
  expect(begun()).toEqual([1, 1, 0, 0]);
  works[1]!.end();
  await turn();
  expect(begun()).toEqual([1, 1, 1, 0]);
  works[0]!.end();
  await turn();
  expect(begun()).toEqual([1, 1, 1, 1]);
  works[2]!.end();
  works[3]!.end();
  await Promise.all(runs);
});

it("gives the permit back when the work fails", async () => {
  const run = createPermits({ count: 1, maxWaiting: 10, waitMs: 60_000, refusal });
  await expect(run(() => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  expect(await run(async () => 7)).toBe(7);
});

it("refuses those who find the line full, and those who wait in vain", async () => {
  const run = createPermits({ count: 1, maxWaiting: 1, waitMs: 20, refusal });
  const first = controlled();
  const running = run(first.work);
  const waiting = run(async () => 1);
  await expect(run(async () => 2)).rejects.toThrow("refused");
  await expect(waiting).rejects.toThrow("refused");
  first.end();
  await running;
  expect(await run(async () => 3)).toBe(3);
});

it("lets those leave the line whom nobody waits for", async () => {
  const run = createPermits({ count: 1, maxWaiting: 1, waitMs: 60_000, refusal });
  const first = controlled();
  const running = run(first.work);
  const controller = new AbortController();
  const gone = run(async () => 1, controller.signal);
  controller.abort(new Error("gone"));
  await expect(gone).rejects.toThrow("gone");
  const waiting = run(async () => 2);
  first.end();
  await running;
  expect(await waiting).toBe(2);
  await expect(run(async () => 3, controller.signal)).rejects.toThrow("gone");
});
