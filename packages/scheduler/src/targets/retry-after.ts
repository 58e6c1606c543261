/** A receiver cannot put an execution off for longer. */
export const maxRetryAfterMs = 24 * 60 * 60 * 1000;

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const time = "(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)";
const month = `(?<month>${months.join("|")})`;
/** RFC 9110, section 5.6.7: the form that is sent, and two that were and have to be understood. All of them are in UTC. */
const dateForms = [
  new RegExp(`^[A-Z][a-z]{2}, (?<day>\\d\\d) ${month} (?<year>\\d{4}) ${time} GMT$`),
  new RegExp(`^[A-Z][a-z]{5,8}, (?<day>\\d\\d)-${month}-(?<year>\\d\\d) ${time} GMT$`),
  new RegExp(`^[A-Z][a-z]{2} ${month} (?<day>[ \\d]\\d) ${time} (?<year>\\d{4})$`),
];

/**
 * How long a `Retry-After` header asks to wait: seconds, or the time until a date, at least 0 and at most
 * `maxRetryAfterMs`. Undefined for anything else.
 */
export function parseRetryAfter(value: string, nowMs: number): number | undefined {
  const text = value.trim();
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : parseHttpDate(text, nowMs) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(0, Math.ceil(waitMs)), maxRetryAfterMs);
}

function parseHttpDate(text: string, nowMs: number): number {
  for (const form of dateForms) {
    const { day = "", month = "", year = "", hour, minute, second } = form.exec(text)?.groups ?? {};
    if (day === "") continue;
    return Date.UTC(fullYear(year, nowMs), months.indexOf(month), ...[day, hour, minute, second].map(Number));
  }
  return Number.NaN;
}

/** Two digits are the year of this century or, where that would be more than 50 years ahead, of the last. */
function fullYear(year: string, nowMs: number): number {
  if (year.length === 4) return Number(year);
  const thisYear = new Date(nowMs).getUTCFullYear();
  const inCentury = thisYear - (thisYear % 100) + Number(year);
  return inCentury > thisYear + 50 ? inCentury - 100 : inCentury;
}
