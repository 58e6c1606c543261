const Sequencer = require("@jest/test-sequencer").default;

/** What takes minutes by its nature begins first, so that no worker is left with it alone in the end. */
const first = ["kills-under-load", "change-stream", "fleet", "clocks", "limits", "lost-answers", "change-readers"];

module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const index = first.findIndex((name) => path.endsWith(`${name}.spec.ts`));
      return index === -1 ? first.length : index;
    };
    return [...super.sort(tests)].sort((a, b) => rank(a) - rank(b));
  }
};
