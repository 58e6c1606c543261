import { decodePageToken, encodePageToken } from "./page-token.js";

const QUERY = { states: [1], orderBy: "name" };
const token = encodePageToken(QUERY, ["naïve 💡", 7]);

test("gives back its position to the same query", () => {
  expect(decodePageToken(QUERY, token)).toEqual(["naïve 💡", 7]);
  expect(decodePageToken(QUERY, "")).toBeUndefined();
});

test("is refused when any character is another", () => {
  for (let index = 0; index < token.length; index += 1) {
    const damaged = token.slice(0, index) + (token[index] === "A" ? "B" : "A") + token.slice(index + 1);
    expect(() => decodePageToken(QUERY, damaged)).toThrow(expect.objectContaining({ reason: "INVALID_PAGE_TOKEN" }));
  }
});

test("is refused by another query", () => {
  expect(() => decodePageToken({ ...QUERY, states: [] }, token)).toThrow(/page_token/);
});
