import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ERROR_REASONS } from "@taskscheduler/domain";

const ROW = /^\| `([A-Z_]+)` \| `([A-Z_]+)` \| ([^|]+) \| ([^|]+) \|$/gm;

describe("docs/errors.md", () => {
  const page = readFileSync(join(__dirname, "..", "..", "docs", "errors.md"), "utf8");
  const rows = [...page.matchAll(ROW)].map(([, reason = "", code = "", meaning = "", advice = ""]) => ({
    ...{ reason, code, meaning, advice },
  }));

  it("lists each reason of the catalogue once, in its order, with its code", () => {
    expect(rows.map(({ reason, code }) => [reason, code])).toEqual(Object.entries(ERROR_REASONS));
  });

  it("says of each what it means and what to do", () => {
    for (const { meaning, advice } of rows) {
      expect(meaning).toMatch(/\.$/);
      expect(advice).toMatch(/\.$/);
    }
  });
});
