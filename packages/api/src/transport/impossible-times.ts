import type { DescField, DescMessage, JsonValue } from "@bufbuild/protobuf";

/** A 29th, 30th or 31st, or the hour 24: what may not be, and the library takes for another day. */
const suspicious = /"\d{4}-\d\d-(?:29|30|31)T|T24:/;
const timestamp = "google.protobuf.Timestamp";
const daysOfMonth = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Whether a request's JSON needs a closer look: nearly none does. */
export function mayHoldImpossibleTime(text: string): boolean {
  return suspicious.test(text);
}

/** Whether a Timestamp anywhere in a field's value names a day that its month does not have, or the hour 24. */
export function holdsImpossibleTime(field: DescField, value: JsonValue): boolean {
  const { message } = field;
  if (message === undefined || value === null || typeof value !== "object") {
    return message?.typeName === timestamp && typeof value === "string" && isImpossible(value);
  }
  if (Array.isArray(value)) return value.some((item) => holdsImpossibleTime(field, item));
  if (field.fieldKind === "map") return Object.values(value).some((item) => isIn(message, item));
  return isIn(message, value);
}

function isIn(message: DescMessage, json: JsonValue): boolean {
  if (message.typeName === timestamp) return typeof json === "string" && isImpossible(json);
  if (json === null || typeof json !== "object" || Array.isArray(json)) return false;
  return Object.entries(json).some(([key, value]) => {
    const field = message.fields.find(({ name, jsonName }) => name === key || jsonName === key);
    return field !== undefined && holdsImpossibleTime(field, value);
  });
}

function isImpossible(text: string): boolean {
  const [, year, month, day, hour] = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):/.exec(text)?.map(Number) ?? [];
  if (year === undefined || month === undefined || day === undefined) return false;
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 && isLeap ? 29 : (daysOfMonth[month - 1] ?? 31);
  return day > days || hour === 24;
}
