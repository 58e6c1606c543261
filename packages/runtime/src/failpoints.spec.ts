import { type Failpoint, withFailpoints } from "./failpoints.js";

describe("withFailpoints", () => {
  let events: string[];
  beforeEach(() => {
    events = [];
  });

  const calls = {
    async claim(id: number): Promise<number> {
      events.push(`claim ${id}`);
      if (id === 0) throw new Error("refused");
      return id;
    },
    async report(id: number): Promise<number> {
      events.push(`report ${id}`);
      return id;
    },
  };
  const interrupted = (...failpoints: Failpoint[]) => withFailpoints(calls, failpoints, () => events.push("killed"));

  it("leaves calls alone that no failpoint names", async () => {
    const { claim, report } = interrupted(
      { moment: "after", call: "claim", passing: 1 },
      { moment: "after", call: "gone", passing: 1 },
    );
    expect(report).toBe(calls.report);
    expect(claim).not.toBe(calls.claim);
  });

  it("kills before a call is made, or when its answer is there", async () => {
    const { claim, report } = interrupted(
      { moment: "before", call: "claim", passing: 1 },
      { moment: "after", call: "report", passing: 1 },
    );
    expect(await claim(1)).toBe(1);
    expect(await report(2)).toBe(2);
    expect(events).toEqual(["killed", "claim 1", "report 2", "killed"]);
  });

  it("kills at the passing that was said, and counts no call that fails", async () => {
    const { claim } = interrupted({ moment: "after", call: "claim", passing: 2 });
    await claim(1);
    await expect(claim(0)).rejects.toThrow("refused");
    await claim(2);
    await claim(3);
    expect(events).toEqual(["claim 1", "claim 0", "claim 2", "killed", "claim 3"]);
  });
});
