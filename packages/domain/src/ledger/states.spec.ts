import { expect, test } from "@jest/globals";
import { EXECUTION_STATES, isUnfinished } from "./states.js";

test("what may still change is unfinished, and nothing else", () => {
  expect(EXECUTION_STATES.filter(isUnfinished)).toEqual(["PENDING", "CLAIMED", "RUNNING", "RETRYING"]);
});
