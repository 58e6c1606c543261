import { expect, test } from "@jest/globals";
import { compileSchedule } from "./compile-schedule.js";
import type { Recurrence } from "./recurrence.js";

test.each<[string, Recurrence, string, string]>([
  ["2026-12-01T09:30:00Z", "ONCE", "UTC", "Once, on 2026-12-01 at 09:30 (UTC)"],
  ["2026-12-01T09:30:05Z", "ONCE", "UTC", "Once, on 2026-12-01 at 09:30:05 (UTC)"],
  ["2026-12-01T09:30:00.250Z", "ONCE", "+05:30", "Once, on 2026-12-01 at 15:00:00.250 (+05:30)"],
  ["2026-12-01T00:00:00Z", "DAILY", "UTC", "Daily, at 00:00 (UTC)"],
  ["2026-12-01T23:30:00Z", "WEEKLY", "Europe/Berlin", "Weekly, on Wednesday, at 00:30 (Europe/Berlin)"],
  ["1969-12-31T12:00:00Z", "WEEKLY", "UTC", "Weekly, on Wednesday, at 12:00 (UTC)"],
  ["2026-12-01T09:30:00Z", "BIWEEKLY", "UTC", "Every two weeks, on Tuesday, from 2026-12-01, at 09:30 (UTC)"],
  ["2026-01-28T09:30:00Z", "MONTHLY", "UTC", "Monthly, on day 28, at 09:30 (UTC)"],
  [
    "2026-01-31T08:30:00Z",
    "MONTHLY",
    "Europe/Berlin",
    "Monthly, on day 31 (or the month's last), at 09:30 (Europe/Berlin)",
  ],
  [
    "2026-12-01T09:30:00Z",
    "QUARTERLY",
    "UTC",
    "Quarterly, on day 1 of March, June, September and December, at 09:30 (UTC)",
  ],
  [
    "2026-11-30T09:30:00Z",
    "QUARTERLY",
    "UTC",
    "Quarterly, on day 30 (or the month's last) of February, May, August and November, at 09:30 (UTC)",
  ],
  [
    "2026-10-30T09:30:00Z",
    "QUARTERLY",
    "UTC",
    "Quarterly, on day 30 of January, April, July and October, at 09:30 (UTC)",
  ],
  ["2026-12-01T09:30:00Z", "YEARLY", "UTC", "Yearly, on December 1, at 09:30 (UTC)"],
  ["2024-02-29T09:30:00Z", "YEARLY", "UTC", "Yearly, on February 29 (28 in common years), at 09:30 (UTC)"],
])("%s %s in %s: %s", (time, recurrence, timeZone, expected) => {
  expect(compileSchedule({ scheduledTimeMs: Date.parse(time), recurrence, timeZone }).describe()).toBe(expected);
});
