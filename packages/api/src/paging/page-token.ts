import { createHash } from "node:crypto";
import { fieldError, MAX_TIME_MS, MIN_TIME_MS } from "@taskscheduler/domain";
import { fromDatetime } from "../database/instants.js";

/** Where a page ended: the value that the list is ordered by, and the key that decides between equal ones. */
export type PagePosition = readonly (string | number | null)[];

const CHECK_BYTES = 9;
/** Rows that somebody wrote past the API may have such ids and times. A list passes them over, and goes on after them. */
const MIN_ID = -(2 ** 31);
const DATETIME = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{1,6})?$/;

/** A token that only the same query takes: filters and order are part of its checksum. */
export function encodePageToken(query: unknown, position: PagePosition): string {
  const body = Buffer.from(JSON.stringify(position));
  return Buffer.concat([check(query, body), body]).toString("base64url");
}

/** What each value of a position is, so that nothing else ever reaches a statement. */
export type PositionKind = "id" | "text" | "instant" | "instant or null";

/**
 * undefined for an empty token. Throws INVALID_PAGE_TOKEN for a damaged one, one of another query, or one whose position
 * is not of these kinds: the checksum is no secret.
 */
export function decodePageToken(
  query: unknown,
  token: string,
  kinds: readonly PositionKind[],
): PagePosition | undefined {
  if (token === "") return undefined;
  const bytes = Buffer.from(token, "base64url");
  const body = bytes.subarray(CHECK_BYTES);
  const isWhole = bytes.toString("base64url") === token && check(query, body).equals(bytes.subarray(0, CHECK_BYTES));
  const position = isWhole ? parse(body) : undefined;
  if (!Array.isArray(position) || !isOfKinds(position, kinds)) {
    throw fieldError(
      "page_token",
      "must be the next_page_token of the page before, with all other fields as they were",
      "INVALID_PAGE_TOKEN",
    );
  }
  return position;
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

function isOfKinds(values: readonly unknown[], kinds: readonly PositionKind[]): values is PagePosition {
  return values.length === kinds.length && kinds.every((kind, index) => isOfKind(values[index], kind));
}

function isOfKind(value: unknown, kind: PositionKind): boolean {
  if (value === null) return kind === "instant or null";
  if (kind === "text") return typeof value === "string";
  if (typeof value === "string") return kind !== "id" && DATETIME.test(value);
  if (typeof value !== "number" || !Number.isInteger(value)) return false;
  return kind === "id" ? value >= MIN_ID : value >= MIN_TIME_MS && value <= MAX_TIME_MS;
}

/** A DATETIME as a position has it: epoch milliseconds, or the text itself where that is no date. */
export function datetimePosition(text: string): number | string {
  const timeMs = fromDatetime(text);
  return timeMs >= MIN_TIME_MS && timeMs <= MAX_TIME_MS ? timeMs : text;
}

function check(query: unknown, body: Buffer): Buffer {
  return createHash("sha256").update(JSON.stringify(query)).update("\0").update(body).digest().subarray(0, CHECK_BYTES);
}
