import { END_REASONS, type TaskEffects, TRANSITIONS } from "@taskscheduler/domain";
import { readPage } from "./markdown.js";

const page = readPage("docs/ledger.md");

/** The rules of the code, one a phase and event. */
const rules = Object.entries(TRANSITIONS).flatMap(([event, phases]) =>
  Object.entries(phases).map(([from, rule]) => ({ event, from, ...rule })),
);

/** The cells of the table under a heading, without the marks of code. */
function tableUnder(heading: string): string[][] {
  const [, section = ""] = new RegExp(`^## ${heading}\\n(.*?)(?=^## |$(?![\\s\\S]))`, "ms").exec(page) ?? [];
  const lines = section.split("\n").filter((line) => line.startsWith("| "));
  return lines.slice(2).map((line) => line.slice(2, -2).replaceAll("`", "").split(" | "));
}

function effectText({ runs, mayComplete }: TaskEffects): string {
  if (runs !== 0) return runs > 0 ? "ran" : "runs again";
  return mayComplete ? "ended" : "none";
}

describe("docs/ledger.md", () => {
  it("has the transitions of the code, and no other", () => {
    const listed = tableUnder("Transitions").flatMap(([from = "", event, to, fence, effect]) =>
      from.split(", ").map((phase) => [phase, event, to, fence, effect].join(" ")),
    );
    const fences = { KEPT: "kept", RAISED: "raised", TAKEN_BACK: "taken back" };
    const actual = rules.map(({ from, event, to, fence, effects }) =>
      [from, event, to, fences[fence], effectText(effects)].join(" "),
    );
    expect(listed.sort()).toEqual(actual.sort());
  });

  it("draws the same transitions", () => {
    const edges = [...page.matchAll(/^ {2}(\w+) --> (\w+): (.+)$/gm)];
    const drawn = edges.flatMap(([, from, to, events = ""]) =>
      events.split(", ").map((event) => `${from} ${event} ${to}`),
    );
    expect(drawn.sort()).toEqual(rules.map(({ from, event, to }) => `${from} ${event} ${to}`).sort());
  });

  it("says of each event who sends it and what it means", () => {
    const events = tableUnder("Events");
    expect(events.map(([event]) => event).sort()).toEqual(Object.keys(TRANSITIONS).sort());
    for (const [, sender, meaning] of events) {
      expect(sender).not.toBe("");
      expect(meaning).toMatch(/\.$/);
    }
  });

  it("says what each effect means", () => {
    const effects = tableUnder("Effects on the task").map(([effect]) => effect);
    expect(effects.sort()).toEqual([...new Set(rules.map((rule) => effectText(rule.effects)))].sort());
  });

  it("lists the end reasons in their order, with the states that they lead to", () => {
    const reasons = tableUnder("End reasons");
    expect(reasons.map(([reason]) => reason)).toEqual(END_REASONS);
    for (const [, states = "", meaning] of reasons) {
      expect(states.split(", ").every((state) => ["CANCELLED", "MISSED", "SKIPPED"].includes(state))).toBe(true);
      expect(meaning).toMatch(/\.$/);
    }
  });
});
