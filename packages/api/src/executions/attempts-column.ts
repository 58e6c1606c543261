import type { Attempt } from "@taskscheduler/domain";
import { type ColumnReader, isInstant, isUint32 } from "../database/column-readers.js";

/** The JSON of an execution's attempts, without the entries that are no attempts. */
export const attemptsColumn: ColumnReader<string> = {
  read(value) {
    if (value === "") return value;
    const entries = parseEntries(value);
    return entries?.every(isAttempt) ? (value as string) : undefined;
  },
  instead: (value) => JSON.stringify((parseEntries(value) ?? []).filter(isAttempt)),
};

const STATES: ReadonlySet<unknown> = new Set<Attempt["state"]>(["RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]);

function parseEntries(value: unknown): readonly unknown[] | undefined {
  if (typeof value !== "string") return undefined;
  try {
    const parsed: unknown = JSON.parse(value);
    return Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function isAttempt(entry: unknown): entry is Attempt {
  if (typeof entry !== "object" || entry === null) return false;
  const { attempt, schedulerId, startTimeMs, endTimeMs, state, error, httpStatus }: Record<string, unknown> = {
    ...entry,
  };
  const areTexts = typeof schedulerId === "string" && typeof error === "string";
  const areTimes = [startTimeMs, endTimeMs].every((time) => time === null || isInstant(time));
  return areTexts && areTimes && isUint32(attempt) && isUint32(httpStatus) && STATES.has(state);
}
