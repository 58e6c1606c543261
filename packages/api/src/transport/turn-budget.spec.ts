import { createTurnBudget } from "./turn-budget.js";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

it("lets so many steps be taken in a turn, shared fairly, and other work in between", async () => {
  const budget = createTurnBudget(10);
  const taken = [0, 0];
  let isOver = false;
  const work = async (index: number): Promise<void> => {
    while (!isOver) {
      taken[index]! += 1;
      await budget();
    }
  };
  const working = [work(0), work(1)];
  const sums: number[] = [];
  for (let turns = 0; turns < 5; turns += 1) {
    await turn();
    sums.push(taken[0]! + taken[1]!);
  }
  isOver = true;
  await turn();
  await Promise.all(working);
  const perTurn = sums.slice(1).map((sum, index) => sum - sums[index]!);
  expect(Math.max(...perTurn)).toBeLessThanOrEqual(12);
  expect(Math.min(...perTurn)).toBeGreaterThan(0);
  expect(Math.abs(taken[0]! - taken[1]!)).toBeLessThanOrEqual(5);
});

it("begins each turn anew, however little was taken in the one before", async () => {
  const budget = createTurnBudget(3);
  for (let turns = 0; turns < 5; turns += 1) {
    expect(budget()).toBeUndefined();
    expect(budget()).toBeUndefined();
    await turn();
  }
});
