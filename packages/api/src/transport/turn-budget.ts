/**
 * Bounds what a kind of work does in one turn of the event loop, all of its doers together: whoever finds the budget used
 * up waits in line for a later turn. Work that is ready, and so never waits, would otherwise keep everything else waiting.
 *
 * @param size steps in a turn
 * @returns takes a step; what it answers is to be awaited before it is done
 */
export function createTurnBudget(size: number): () => Promise<void> | undefined {
  let left = size;
  let isTurnDue = false;
  let line: (() => void)[] = [];

  function beginTurn(): void {
    isTurnDue = false;
    const released = line.slice(0, size);
    line = line.slice(size);
    left = size - released.length;
    if (line.length > 0) planTurn();
    for (const goOn of released) goOn();
  }

  function planTurn(): void {
    if (isTurnDue) return;
    isTurnDue = true;
    setImmediate(beginTurn);
  }

  return () => {
    // Also where the budget is not used up: a turn ends, and the next one begins with a whole one.
    planTurn();
    if (left > 0) {
      left -= 1;
      return undefined;
    }
    return new Promise((resolve) => line.push(resolve));
  };
}
