import { ConfigError } from "./config-error.js";
import { createLogger } from "./logger.js";
import { Reloaders, type ReloadOutcome } from "./reloaders.js";

interface Line {
  readonly level: string;
  readonly msg: string;
}

let lines: Line[];
let reloaders: Reloaders;

beforeEach(() => {
  lines = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  reloaders = new Reloaders(createLogger({ name: "test", level: "info", destination }));
});

const said = (level: string) => lines.filter((line) => line.level === level).map(({ msg }) => msg);

describe("Reloaders", () => {
  it("says of each what came of it, and goes on after a fault", async () => {
    const results: (() => ReloadOutcome)[] = [
      () => "changed",
      () => "needs restart",
      () => {
        throw new ConfigError(["C: line 1 is wrong", "C: line 2 is wrong"]);
      },
      () => {
        throw new Error("a defect");
      },
      () => "unchanged",
    ];
    for (const [index, result] of results.entries()) {
      reloaders.add({ variable: "ABCDE".charAt(index), reload: async () => result() });
    }
    await reloaders.run();
    expect(said("warn")).toEqual(["B has changed and needs a restart"]);
    expect(said("error")).toEqual([
      "not reloaded: C: line 1 is wrong",
      "not reloaded: C: line 2 is wrong",
      "not reloaded: D",
    ]);
    expect(said("info").slice(0, -1)).toEqual(["A was read again", "E was read again"]);
  });

  it("runs one at a time, and once more for all who ask meanwhile", async () => {
    let under = 0;
    let runs = 0;
    const slow = (variable: string) => ({
      variable,
      async reload(): Promise<ReloadOutcome> {
        under += 1;
        runs += 1;
        expect(under).toBe(1);
        await new Promise(setImmediate);
        under -= 1;
        return "unchanged";
      },
    });
    reloaders.add(slow("A"));
    reloaders.add(slow("B"));
    await Promise.all([reloaders.run(), reloaders.run(), reloaders.run()]);
    expect(runs).toBe(4);
    await reloaders.run();
    expect(runs).toBe(6);
  });
});
