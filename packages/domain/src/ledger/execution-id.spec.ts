import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { MAX_TIME_MS, MIN_TIME_MS } from "../time/time-range.js";
import { formatExecutionId, parseExecutionId } from "./execution-id.js";

describe("execution ids", () => {
  test("come back as what they were made of", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0xffff_ffff }),
        fc.integer({ min: MIN_TIME_MS, max: MAX_TIME_MS }),
        (taskId, scheduledTimeMs) => {
          expect(parseExecutionId(formatExecutionId(taskId, scheduledTimeMs))).toEqual({ taskId, scheduledTimeMs });
        },
      ),
    );
  });

  test.each([
    ["1.0", { taskId: 1, scheduledTimeMs: 0 }],
    ["4294967295.253402300799999", { taskId: 4294967295, scheduledTimeMs: MAX_TIME_MS }],
    ["7.-62135596800000", { taskId: 7, scheduledTimeMs: MIN_TIME_MS }],
  ])("%s is one", (text, expected) => {
    expect(parseExecutionId(text)).toEqual(expected);
    expect(formatExecutionId(expected.taskId, expected.scheduledTimeMs)).toBe(text);
  });

  test.each(
    [
      ["", "1", ".", "1.", ".1", "1.1.1", "a.1", "1.a", "1.1 ", " 1.1", "1.1\n", "1,1", "0x1.1", "1.1e3"],
      ["0.1", "01.1", "1.01", "+1.1", "-1.1", "1.+1", "1.-0", "1.-01", "1.00"],
      ["4294967296.1", "99999999999.1", "1.253402300800000", "1.-62135596800001", "1.9007199254740993"],
    ].flat(),
  )("%j is none", (text) => {
    expect(parseExecutionId(text)).toBeUndefined();
  });

  test("no text is an id but the one that is written", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[-+0-9.]{1,12}$/), (text) => {
        const id = parseExecutionId(text);
        if (id !== undefined) expect(formatExecutionId(id.taskId, id.scheduledTimeMs)).toBe(text);
      }),
    );
  });
});
