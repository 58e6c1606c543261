import { within } from "./within.js";

const late = () => new Error("late");

describe("work within a limit", () => {
  it("is answered with its outcome when it ends in time", async () => {
    expect(await within(Promise.resolve(7), 60_000, late)).toBe(7);
    await expect(within(Promise.reject(new Error("failed")), 60_000, late)).rejects.toThrow("failed");
  });

  it("fails when it is late, and its own failure is nobody's concern afterwards", async () => {
    let fail: (error: Error) => void = () => undefined;
    const work = new Promise<never>((_, reject) => {
      fail = reject;
    });
    await expect(within(work, 5, late)).rejects.toThrow("late");
    // Without a listener this would end the process.
    fail(new Error("too late"));
    await new Promise((resolve) => setImmediate(resolve));
  });
});
