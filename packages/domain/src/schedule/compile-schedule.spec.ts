import { expect, test } from "@jest/globals";
import { compileSchedule } from "./compile-schedule.js";
import type { Recurrence } from "./recurrence.js";
import { ScheduleFault } from "./schedule-fault.js";
import { isSameSchedule, type ScheduleFields } from "./schedule-fields.js";

const DAILY: ScheduleFields = { scheduledTimeMs: 0, recurrence: "DAILY", timeZone: "Europe/Berlin" };

test.each<[string, Partial<ScheduleFields>, string, RegExp]>([
  ["no instant", { scheduledTimeMs: Number.NaN }, "scheduled_time", /^must be an instant$/],
  ["an endless time", { scheduledTimeMs: Number.POSITIVE_INFINITY }, "scheduled_time", /^must be an instant$/],
  ["an unknown zone", { timeZone: "Mars/Olympus" }, "time_zone", /^must be an IANA time zone such as Europe\/Berlin/],
  ["no zone", { timeZone: "" }, "time_zone", /^must be an IANA time zone/],
  ["an unknown recurrence", { recurrence: "HOURLY" as Recurrence }, "recurrence", /^must be one of ONCE, DAILY,/],
  ["a name of Object's", { recurrence: "constructor" as Recurrence }, "recurrence", /^must be one of/],
  ["what MariaDB stores for a bad ENUM", { recurrence: "" as Recurrence }, "recurrence", /^must be one of/],
])("%s: the fault names the field and says what would be right", (_what, change, field, description) => {
  const compile = () => compileSchedule({ ...DAILY, ...change });
  expect(compile).toThrow(ScheduleFault);
  expect(compile).toThrow(expect.objectContaining({ field, description: expect.stringMatching(description) }));
  expect(compile).toThrow(new RegExp(`^${field}: must be `));
});

test("no recurrence means once", () => {
  const once = compileSchedule({ ...DAILY, recurrence: null });
  expect(once.describe()).toBe("Once, on 1970-01-01 at 01:00 (Europe/Berlin)");
  expect(once.next(0)).toBeUndefined();
});

test.each<[string, Partial<ScheduleFields>, boolean]>([
  ["equal fields", {}, true],
  ["another time", { scheduledTimeMs: 1 }, false],
  ["another recurrence", { recurrence: "WEEKLY" }, false],
  ["no recurrence", { recurrence: null }, false],
  ["another zone", { timeZone: "UTC" }, false],
])("%s: the same schedule is %s", (_what, change, expected) => {
  expect(isSameSchedule(DAILY, { ...DAILY, ...change })).toBe(expected);
});

test("once by name and once by default are the same schedule", () => {
  expect(isSameSchedule({ ...DAILY, recurrence: null }, { ...DAILY, recurrence: "ONCE" })).toBe(true);
});
