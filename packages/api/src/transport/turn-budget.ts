/**
 * Bounds what a kind of work does in one turn of the event loop, all of its doers together: whoever finds the budget used
 * up goes on in the next turn. Work that is ready, and so never waits, would otherwise keep everything else waiting.
 *
 * @param size steps in a turn
 * @returns takes a step; what it answers is to be awaited before the next one
 */
export function createTurnBudget(size: number): () => Promise<void> | undefined {
  let left = size;
  let nextTurn: Promise<void> | undefined;
  return () => {
    // Also where the budget is not used up: a turn ends, and the next one begins with a whole one.
    nextTurn ??= new Promise((resolve) =>
      setImmediate(() => {
        left = size;
        nextTurn = undefined;
        resolve();
      }),
    );
    left -= 1;
    return left > 0 ? undefined : nextTurn;
  };
}
