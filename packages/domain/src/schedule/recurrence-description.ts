import { DAY_MS, daysInMonth, formatWallDate, formatWallTime, wallDate } from "../time/calendar.js";
import type { Recurrence } from "./recurrence.js";

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
/** 1970-01-01, day 0 of the calendar, was a Thursday. */
const WEEKDAYS = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/**
 * Describes a recurrence in English words, such as `Once, on 2026-12-01 at 09:30 (UTC)` or `Monthly, on day 31 (or the
 * month's last), at 09:30 (Europe/Berlin)`. The words name seconds only when there are some.
 *
 * @param anchorWallMs the scheduled time on the zone's clocks
 */
export function describeRecurrence(recurrence: Recurrence, anchorWallMs: number, timeZone: string): string {
  const { month, day } = wallDate(anchorWallMs);
  const date = formatWallDate(anchorWallMs);
  const weekday = WEEKDAYS[((Math.floor(anchorWallMs / DAY_MS) % 7) + 7) % 7];
  const at = `at ${formatWallTime(anchorWallMs).replace(/:00$/, "")} (${timeZone})`;
  switch (recurrence) {
    case "ONCE":
      return `Once, on ${date} ${at}`;
    case "DAILY":
      return `Daily, ${at}`;
    case "WEEKLY":
      return `Weekly, on ${weekday}, ${at}`;
    case "BIWEEKLY":
      return `Every two weeks, on ${weekday}, from ${date}, ${at}`;
    case "MONTHLY":
      return `Monthly, on day ${day}${day > 28 ? " (or the month's last)" : ""}, ${at}`;
    case "QUARTERLY":
      return `Quarterly, on day ${describeQuarterDay(month, day)}, ${at}`;
    case "YEARLY": {
      const leapDay = month === 2 && day === 29;
      return `Yearly, on ${MONTHS[month - 1]} ${day}${leapDay ? " (28 in common years)" : ""}, ${at}`;
    }
  }
}

/** A day of the four months that lie quarters apart from a month (1 to 12), in the order of the year. */
function describeQuarterDay(month: number, day: number): string {
  const firstMonth = ((month - 1) % 3) + 1;
  const months = [firstMonth, firstMonth + 3, firstMonth + 6, firstMonth + 9];
  // 2025 stands for all common years: a day that a month of 2025 lacks, the month lacks in some year.
  const isClamped = months.some((candidate) => day > daysInMonth(2025, candidate));
  const [first, second, third, fourth] = months.map((candidate) => MONTHS[candidate - 1]);
  return `${day}${isClamped ? " (or the month's last)" : ""} of ${first}, ${second}, ${third} and ${fourth}`;
}
