import { oneLine } from "./one-line.js";

describe("one line", () => {
  it.each([
    ["a\r\n\u0007  b\tc\u2028d", "a b c d"],
    ["\u0000a\u001b[31mb\u007f", "a[31mb"],
    ["abc\u202e123\u200b", "abc123"],
    ["half \ud83d pair", "half pair"],
    ["  \n ", ""],
  ])("%j becomes %j", (text, line) => {
    expect(oneLine(text, 100)).toBe(line);
  });

  it("is cut between characters", () => {
    expect(oneLine("abcdef", 6)).toBe("abcdef");
    expect(oneLine("abcdefg", 6)).toBe("abcde…");
    expect(oneLine("😀".repeat(6), 6)).toBe("😀".repeat(6));
    expect(oneLine("😀".repeat(7), 6)).toBe(`${"😀".repeat(5)}…`);
  });
});
