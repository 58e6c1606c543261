import { createTurnBudget } from "./turn-budget.js";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

it.each([2, 100])(
  "lets so many steps be taken in a turn, shared fairly by %i, and other work in between",
  async (doers) => {
    const size = 10;
    const budget = createTurnBudget(size);
    const taken = Array.from({ length: doers }, () => 0);
    let isOver = false;
    const work = async (index: number): Promise<void> => {
      while (!isOver) {
        await budget();
        taken[index]! += 1;
      }
    };
    const working = taken.map((_, index) => work(index));
    const sums: number[] = [];
    for (let turns = 0; turns < 100; turns += 1) {
      await turn();
      sums.push(taken.reduce((sum, steps) => sum + steps));
    }
    isOver = true;
    for (let turns = 0; turns <= doers / size; turns += 1) await turn();
    await Promise.all(working);
    const perTurn = sums.slice(1).map((sum, index) => sum - sums[index]!);
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(size);
    expect(Math.min(...perTurn)).toBeGreaterThan(0);
    expect(Math.max(...taken) - Math.min(...taken)).toBeLessThanOrEqual(size);
  },
);

it("begins each turn anew, however little was taken in the one before", async () => {
  const budget = createTurnBudget(3);
  for (let turns = 0; turns < 5; turns += 1) {
    expect(budget()).toBeUndefined();
    expect(budget()).toBeUndefined();
    await turn();
  }
});
