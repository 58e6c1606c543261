import { sleep } from "./sleep.js";

describe("sleep", () => {
  it("never ends early", async () => {
    const startMs = performance.now();
    await sleep(20);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(19);
  });

  it("ends at once when its signal is aborted, before or meanwhile", async () => {
    const controller = new AbortController();
    const sleeping = sleep(60_000, controller.signal);
    controller.abort();
    await expect(sleeping).rejects.toMatchObject({ name: "AbortError" });
    await expect(sleep(60_000, controller.signal)).rejects.toMatchObject({ name: "AbortError" });
  });

  it("refuses a span that a timer of Node would fire at once", async () => {
    await expect(sleep(2 ** 31)).rejects.toThrow(RangeError);
    await expect(sleep(Number.NaN)).rejects.toThrow(RangeError);
  });
});
