import { DAY_MS, daysInMonth, formatWallDate, formatWallTime, wallDate } from "../time/calendar.js";
import { timeZoneOf } from "../time/time-zone.js";
import type { Schedule } from "./schedule.js";

const MONTHS = [
  ...["January", "February", "March", "April", "May", "June", "July"],
  ...["August", "September", "October", "November", "December"],
];
/** From 1970-01-01 on. */
const WEEKDAYS = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/**
 * The schedule in English words, such as `Once, on 2026-12-01 at 09:30 (UTC)` or
 * `Monthly, on day 31 (or the month's last), at 09:30 (Europe/Berlin)`; seconds only where there are some.
 *
 * @throws RangeError when `timeZone` is no zone
 */
export function describeSchedule(s: Schedule): string {
  const wallMs = s.scheduledTimeMs + timeZoneOf(s.timeZone).offsetMsAt(s.scheduledTimeMs);
  const { month, day } = wallDate(wallMs);
  const date = formatWallDate(wallMs);
  const weekday = WEEKDAYS[((Math.floor(wallMs / DAY_MS) % 7) + 7) % 7];
  const at = `at ${formatWallTime(wallMs).replace(/:00$/, "")} (${s.timeZone})`;
  switch (s.recurrence) {
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
    case "QUARTERLY": {
      const months = [0, 3, 6, 9].map((later) => ((month - 1 + later) % 12) + 1).sort((a, b) => a - b);
      // 2025 stands for the common years: what it lacks, some year lacks.
      const clamped = months.some((candidate) => day > daysInMonth(2025, candidate));
      const [first, second, third, fourth] = months.map((candidate) => MONTHS[candidate - 1]);
      const which = `${first}, ${second}, ${third} and ${fourth}`;
      return `Quarterly, on day ${day}${clamped ? " (or the month's last)" : ""} of ${which}, ${at}`;
    }
    case "YEARLY": {
      const leapDay = month === 2 && day === 29;
      return `Yearly, on ${MONTHS[month - 1]} ${day}${leapDay ? " (28 in common years)" : ""}, ${at}`;
    }
  }
}
