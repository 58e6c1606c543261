import { createHash } from "node:crypto";
import { MIN_TIME_MS } from "@taskscheduler/domain";
import { decodePageToken, encodePageToken, type PagePosition, type PositionKind } from "./page-token.js";

const QUERY = { states: [1], orderBy: "name" };
const KINDS = ["text", "id"] as const;
const token = encodePageToken(QUERY, ["naïve 💡", 7]);

test("gives back its position to the same query", () => {
  expect(decodePageToken(QUERY, token, KINDS)).toEqual(["naïve 💡", 7]);
  expect(decodePageToken(QUERY, "", KINDS)).toBeUndefined();
});

test("is refused when any character is another", () => {
  for (let index = 0; index < token.length; index += 1) {
    const damaged = token.slice(0, index) + (token[index] === "A" ? "B" : "A") + token.slice(index + 1);
    expect(() => decodePageToken(QUERY, damaged, KINDS)).toThrow(
      expect.objectContaining({ reason: "INVALID_PAGE_TOKEN" }),
    );
  }
});

test("is refused by another query", () => {
  expect(() => decodePageToken({ ...QUERY, states: [] }, token, KINDS)).toThrow(/page_token/);
});

it.each<[readonly PositionKind[], unknown]>([
  [KINDS, [7, 7]],
  [KINDS, ["a", "7"]],
  [KINDS, ["a", 1.5]],
  [KINDS, ["a", -(2 ** 31) - 1]],
  [KINDS, ["a", null]],
  [KINDS, ["a", { $gt: 1 }]],
  [KINDS, ["a"]],
  [KINDS, ["a", 7, 7]],
  [KINDS, { 0: "a", 1: 7 }],
  [KINDS, "a"],
  [KINDS, null],
  [
    ["instant", "id"],
    ["2100-01-01", 7],
  ],
  [
    ["instant", "id"],
    [null, 7],
  ],
  [
    ["instant", "id"],
    [8.64e15, 7],
  ],
  [
    ["instant or null", "id"],
    [[], 7],
  ],
])("of the kinds %j, the position %j with a right checksum is refused", (kinds, position) => {
  const forged = encodePageToken(QUERY, position as PagePosition);
  expect(() => decodePageToken(QUERY, forged, kinds)).toThrow(
    expect.objectContaining({ reason: "INVALID_PAGE_TOKEN" }),
  );
});

test("takes positions of instants, and of none", () => {
  const kinds = ["instant or null", "id"] as const;
  for (const position of [
    [null, 7],
    [MIN_TIME_MS, 7],
  ]) {
    expect(decodePageToken(QUERY, encodePageToken(QUERY, position), kinds)).toEqual(position);
  }
});

test("with a checksum over what is no JSON is refused", () => {
  const body = Buffer.from("[");
  const sum = createHash("sha256").update(JSON.stringify(QUERY)).update("\0").update(body).digest().subarray(0, 9);
  const forged = Buffer.concat([sum, body]).toString("base64url");
  expect(() => decodePageToken(QUERY, forged, KINDS)).toThrow(
    expect.objectContaining({ reason: "INVALID_PAGE_TOKEN" }),
  );
});
