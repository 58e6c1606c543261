import { attemptsOf, withAttempt } from "./attempts.js";
import { executionRow, NOW_MS } from "./execution-row.fixture.js";

describe("the attempts of an execution", () => {
  const attempt = (number: number) => ({
    ...{ attempt: number, schedulerId: "one", startTimeMs: NOW_MS, endTimeMs: NOW_MS, state: "FAILED" as const },
    ...{ error: "x".repeat(1_000), httpStatus: 0 },
  });

  it("are none before the first has ended, and then told by the row itself", () => {
    expect(attemptsOf(executionRow())).toEqual([]);
    expect(attemptsOf(executionRow({ state: "MISSED" }))).toEqual([]);
    expect(attemptsOf(executionRow({ state: "SUCCEEDED" }))).toMatchObject([{ attempt: 1, state: "SUCCEEDED" }]);
  });

  it("are bounded in number and in size", () => {
    let row = executionRow({ state: "RETRYING" });
    for (let number = 1; number <= 120; number += 1) row = { ...row, attempts: withAttempt(row, attempt(number)) };
    const kept = attemptsOf(row);
    expect(kept).toHaveLength(100);
    expect(kept[0]?.attempt).toBe(21);
    expect(Buffer.byteLength(row.attempts)).toBeLessThan(100 * 1024);
  });

  it("that somebody wrote past us are none", () => {
    for (const attempts of ["{", "null", "7", "[null]"]) expect(attemptsOf(executionRow({ attempts }))).toEqual([]);
  });
});
