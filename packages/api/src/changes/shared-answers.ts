import type { ChangeEvent } from "./change-event.js";

/**
 * What is sent of a change to all who watch is one and the same: it is made once, and frozen, which tells the transport
 * that it need be encoded once alone. Forgotten with the change.
 */
export function createSharedAnswers<A extends object>(): (change: ChangeEvent, make: () => A) => A {
  const answers = new WeakMap<ChangeEvent, A>();
  return (change, make) => {
    const known = answers.get(change);
    if (known !== undefined) return known;
    const answer = Object.freeze(make());
    answers.set(change, answer);
    return answer;
  };
}
