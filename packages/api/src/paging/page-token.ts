import { createHash } from "node:crypto";
import { fieldError } from "@taskscheduler/domain";

/** Where a page ended: the value that the list is ordered by, and the key that decides between equal ones. */
export type PagePosition = readonly (string | number | null)[];

const CHECK_BYTES = 9;

/** A token that only the same query takes: filters and order are part of its checksum. */
export function encodePageToken(query: unknown, position: PagePosition): string {
  const body = Buffer.from(JSON.stringify(position));
  return Buffer.concat([check(query, body), body]).toString("base64url");
}

/** undefined for an empty token. Throws INVALID_PAGE_TOKEN for a damaged one, or one of another query. */
export function decodePageToken(query: unknown, token: string): PagePosition | undefined {
  if (token === "") return undefined;
  const bytes = Buffer.from(token, "base64url");
  const body = bytes.subarray(CHECK_BYTES);
  if (bytes.toString("base64url") !== token || !check(query, body).equals(bytes.subarray(0, CHECK_BYTES))) {
    throw fieldError(
      "page_token",
      "must be the next_page_token of the page before, with all other fields as they were",
      "INVALID_PAGE_TOKEN",
    );
  }
  return JSON.parse(body.toString()) as PagePosition;
}

function check(query: unknown, body: Buffer): Buffer {
  return createHash("sha256").update(JSON.stringify(query)).update("\0").update(body).digest().subarray(0, CHECK_BYTES);
}
